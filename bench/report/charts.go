package main

import (
	"bytes"
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The bars of reauth are green, those of the others grey and blue. The order of the bars tells them
// apart without colours too.
var (
	green  = color.RGBA{R: 0x2e, G: 0x8b, B: 0x57, A: 0xff} //nolint:gochecknoglobals // Go has no constant structs
	palest = color.RGBA{R: 0xbf, G: 0xe0, B: 0xcc, A: 0xff} //nolint:gochecknoglobals // as above
	paler  = color.RGBA{R: 0x8c, G: 0xc6, B: 0xa4, A: 0xff} //nolint:gochecknoglobals // as above
	grey   = color.RGBA{R: 0x8a, G: 0x93, B: 0x9c, A: 0xff} //nolint:gochecknoglobals // as above
	dark   = color.RGBA{R: 0x4d, G: 0x58, B: 0x66, A: 0xff} //nolint:gochecknoglobals // as above
	red    = color.RGBA{R: 0xb2, G: 0x43, B: 0x3a, A: 0xff} //nolint:gochecknoglobals // as above
)

// newPlot makes an empty plot in the style of the report.
func newPlot(title string) *plot.Plot {
	p := plot.New()
	sans := font.Font{Typeface: "Liberation", Variant: "Sans"}
	for _, f := range []*font.Font{
		&p.Title.TextStyle.Font, &p.X.Label.TextStyle.Font, &p.Y.Label.TextStyle.Font,
		&p.X.Tick.Label.Font, &p.Y.Tick.Label.Font, &p.Legend.TextStyle.Font,
	} {
		sans.Size = f.Size
		*f = sans
	}
	p.Title.Text = title
	p.Title.Padding = vg.Points(8)
	p.BackgroundColor = color.White
	p.Y.Min = 0
	return p
}

// nominal names the places on the X axis and leaves room for the bars at both ends.
func nominal(p *plot.Plot, titles []string) {
	p.NominalX(titles...)
	p.X.Min, p.X.Max = -0.5, float64(len(titles))-0.5
}

// label writes a figure above its bar.
func label(x, y float64, shift vg.Length) (*plotter.Labels, error) {
	l, err := plotter.NewLabels(plotter.XYLabels{XYs: plotter.XYs{{X: x, Y: max(y, 0)}}, Labels: []string{digits(y)}})
	if err != nil {
		return nil, err
	}
	l.TextStyle[0].Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Points(9)}
	l.TextStyle[0].XAlign = draw.XCenter
	l.Offset = vg.Point{X: shift, Y: vg.Points(3)}
	return l, nil
}

// svg draws a plot as SVG.
func svg(p *plot.Plot, width, height vg.Length) ([]byte, error) {
	c := vgsvg.New(width, height)
	p.Draw(draw.New(c))
	var b bytes.Buffer
	_, err := c.WriteTo(&b)
	return b.Bytes(), err
}

// overheadChart draws the time that each library adds to a request.
func (r *results) overheadChart() ([]byte, error) {
	p := newPlot("Time added to a successful request (2 KiB, 13 headers)")
	p.Y.Label.Text = "µs"
	highest := 0.0
	titles := make([]string, 0, len(contestants()))
	for i, c := range contestants() {
		value := drawable(r.overhead("sec/op", "2KiB", "yes", c.name).median() * 1e6)
		bar, err := plotter.NewBarChart(plotter.Values{value}, vg.Points(48))
		if err != nil {
			return nil, err
		}
		above, err := label(float64(i), value, 0)
		if err != nil {
			return nil, err
		}
		bar.XMin, bar.LineStyle.Width, bar.Color = float64(i), 0, grey
		if c.name == "reauth" {
			bar.Color = green
		}
		p.Add(bar, above)
		highest = max(highest, value)
		titles = append(titles, plain(c.title))
	}
	p.Y.Max = highest * 1.1 // room for the figure
	nominal(p, titles)
	return svg(p, 7*vg.Inch, 3.5*vg.Inch)
}

// stormChart draws the time until all calls have an answer, as a multiple of the ideal. A bar is
// hollow if calls failed, because a library that gives up is quick.
func (r *results) stormChart() ([]byte, error) {
	p := newPlot("A storm of refusals: time until all calls have an answer")
	p.Y.Label.Text = "× the ideal"
	colors := []color.Color{green, dark, paler, grey, palest}
	titles := make([]string, 0, len(storms()))
	for _, s := range storms() {
		titles = append(titles, s.title())
	}
	const width = 24
	highest := 1.0
	for i, c := range survivors() {
		shift := vg.Points(width * (float64(i) - float64(len(survivors())-1)/2))
		for j, s := range storms() {
			value := drawable(r.ideals(s, c.name).median())
			highest = max(highest, value)
			bar, err := plotter.NewBarChart(plotter.Values{value}, vg.Points(width-3))
			if err != nil {
				return nil, err
			}
			bar.XMin, bar.Offset, bar.Color = float64(j), shift, colors[i]
			bar.LineStyle = draw.LineStyle{Color: colors[i], Width: vg.Points(1)}
			if r.of("failed/op", stormName, s.base, s.calls, c.name).median() > 0 {
				bar.Color = color.White
			}
			above, err := label(float64(j), value, shift)
			if err != nil {
				return nil, err
			}
			p.Add(bar, above)
			if j == 0 {
				p.Legend.Add(plain(c.title)+failures(r, c.name), swatch{colors[i], bar.Color})
			}
		}
	}
	nominal(p, titles)
	ideal, err := plotter.NewLine(plotter.XYs{{X: p.X.Min, Y: 1}, {X: p.X.Max, Y: 1}})
	if err != nil {
		return nil, err
	}
	ideal.LineStyle = draw.LineStyle{Color: dark, Width: vg.Points(1), Dashes: []vg.Length{vg.Points(4), vg.Points(3)}}
	p.Add(ideal)
	p.Legend.Add("the ideal", ideal)
	p.Y.Max = highest * 1.7 // room for the legend
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.XOffs, p.Legend.YOffs = vg.Points(8), -vg.Points(4)
	return svg(p, 8*vg.Inch, 4.5*vg.Inch)
}

// failures writes how many calls of each storm failed, or nothing if none failed.
func failures(r *results, by string) string {
	text, any := ": ", false
	for i, s := range storms() {
		n := r.of("failed/op", stormName, s.base, s.calls, by).median()
		any = any || n > 0
		if i > 0 {
			text += ", "
		}
		text += thousands(n)
	}
	if !any {
		return ""
	}
	return text + " calls failed"
}

// drawable returns 0 for a missing figure, which cannot be drawn. The report fails at its end
// because of that figure.
func drawable(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}

// swatch is the sample of a bar in the legend.
type swatch struct{ line, fill color.Color }

// Thumbnail implements plot.Thumbnailer.
func (s swatch) Thumbnail(c *draw.Canvas) {
	points := []vg.Point{
		{X: c.Min.X, Y: c.Min.Y},
		{X: c.Min.X, Y: c.Max.Y},
		{X: c.Max.X, Y: c.Max.Y},
		{X: c.Max.X, Y: c.Min.Y},
	}
	c.FillPolygon(s.fill, points)
	c.StrokeLines(draw.LineStyle{Color: s.line, Width: vg.Points(1)}, append(points, points[0]))
}

// charts returns the files of the charts by name.
func (r *results) charts() (map[string][]byte, error) {
	files := make(map[string][]byte)
	drawings := map[string]func() ([]byte, error){
		"overhead.svg": r.overheadChart, "storm.svg": r.stormChart,
		"choose.svg": r.chooseChart, "store.svg": r.storeChart, "proxy.svg": r.proxyChart,
	}
	for name, drawn := range drawings {
		content, err := drawn()
		if err != nil {
			return nil, fmt.Errorf("drawing %s: %w", name, err)
		}
		files[name] = content
	}
	return files, nil
}
