package main

import (
	"image/color"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// curve is a cost by size, drawn as a line through its points.
type curve struct {
	title  string
	color  color.Color
	dashed bool
	points plotter.XYs
}

// curve takes the medians of a figure at the sizes. name makes the name of the benchmark of a size.
func (r *results) curve(title string, c color.Color, dashed bool, unit string, sizes []int, name func(n int) string) curve {
	l := curve{title: title, color: c, dashed: dashed}
	for _, n := range sizes {
		if v := r.of(unit, "%s", name(n)).median(); v > 0 && !math.IsInf(v, 0) { // others cannot stand on a log scale
			l.points = append(l.points, plotter.XY{X: float64(n), Y: v})
		}
	}
	return l
}

// logTicks are the powers of ten, in the words of write.
type logTicks struct{ write func(float64) string }

// Ticks implements plot.Ticker.
func (l logTicks) Ticks(low, high float64) (ticks []plot.Tick) {
	for e := math.Floor(math.Log10(low)); e <= math.Ceil(math.Log10(high)); e++ {
		v := math.Pow(10, e)
		ticks = append(ticks, plot.Tick{Value: v, Label: l.write(v)})
	}
	return ticks
}

// growthChart draws costs against sizes, both on logarithmic scales: a level line is a cost that does not
// grow.
func growthChart(title, x string, curves []curve) ([]byte, error) {
	p := newPlot(title)
	p.X.Label.Text = x
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	low, high := math.Inf(1), 0.0
	p.X.Min, p.X.Max = 1, 10
	for i, c := range curves {
		if len(c.points) == 0 {
			continue // the report fails
		}
		line, points, err := plotter.NewLinePoints(c.points)
		if err != nil {
			return nil, err
		}
		line.LineStyle = draw.LineStyle{Color: c.color, Width: vg.Points(1.5)}
		if c.dashed {
			line.Dashes = []vg.Length{vg.Points(4), vg.Points(3)}
		}
		shapes := []draw.GlyphDrawer{
			draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.CrossGlyph{}, draw.RingGlyph{}, draw.SquareGlyph{},
		}
		points.GlyphStyle = draw.GlyphStyle{Color: c.color, Radius: vg.Points(3), Shape: shapes[i%len(shapes)]}
		p.Add(line, points)
		p.Legend.Add(c.title, line, points)
		for _, at := range c.points {
			low, high = min(low, at.Y), max(high, at.Y)
		}
	}
	if high == 0 {
		low, high = 1, 1
	}
	p.Y.Min, p.Y.Max = math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high))+1)
	p.Y.Tick.Marker, p.X.Tick.Marker = logTicks{seconds}, logTicks{thousands}
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.XOffs, p.Legend.YOffs = vg.Points(8), -vg.Points(4)
	return svg(p, 8*vg.Inch, 4.5*vg.Inch)
}

// sizes are those of BenchmarkGrowth.
func sizes() []int { return []int{1, 10, 100, 1_000, 10_000, 100_000} }

func (r *results) chooseChart() ([]byte, error) {
	var curves []curve
	colors := []color.Color{green, paler, dark, grey, color.Black}
	for i, s := range append(strategies(), "affinity") {
		curves = append(curves, r.curve("reauth, "+s, colors[i], i > 1, "sec/op", sizes(), func(n int) string {
			return "Growth/strategy=" + s + "/pool=" + strconv.Itoa(n) + "/by=reauth"
		}))
	}
	curves = append(curves, r.curve("CLIProxyAPI's selector alone, round-robin", red, false, "sec/op", sizes(),
		func(n int) string { return "Growth/strategy=round-robin/pool=" + strconv.Itoa(n) + "/by=cliproxyapi" }))
	return growthChart("A request in memory, by the number of credentials", "credentials", curves)
}

func (r *results) storeChart() ([]byte, error) {
	var curves []curve
	for _, o := range []struct {
		op, by, title string
		color         color.Color
	}{
		{"look", "reauth", "a look when nothing has changed", green},
		{"mark", "reauth", "a mark", paler},
		{"change", "reauth", "an exchange, and another store learns of it", dark},
		{"open", "reauth", "the first look", grey},
		{"change", "bare", "the same bytes written and synced", red},
	} {
		curves = append(curves, r.curve(o.title, o.color, o.by == "bare", "sec/op", records(), func(n int) string {
			return "FileStore/records=" + strconv.Itoa(n) + "/op=" + o.op + "/by=" + o.by
		}))
	}
	return growthChart("The store of reauth in a file, by the number of its logins", "logins", curves)
}

func (r *results) proxyChart() ([]byte, error) {
	conns := []int{1, 50, 500}
	var curves []curve
	colors := map[string]color.Color{
		"reverseproxy": grey, "reverseproxy-flush": dark, "reauth": green, "nginx": red, "cliproxyapi": color.Black,
	}
	for _, c := range proxyContenders() {
		name := func(n int) string { return "Proxy/kind=plain/conns=" + strconv.Itoa(n) + "/by=" + c.name }
		if optional(c.name) && !r.has("%s", name(1)) {
			continue
		}
		title := map[string]string{
			"reverseproxy": "bare ReverseProxy", "reverseproxy-flush": "the same, FlushInterval -1",
			"reauth": "reauth proxy", "nginx": "nginx", "cliproxyapi": "CLIProxyAPI",
		}[c.name]
		curves = append(curves, r.curve(title, colors[c.name], optional(c.name), "cpu-sec/op", conns, name))
	}
	return growthChart("A proxy's time on the processor for a plain request, by connections", "connections", curves)
}
