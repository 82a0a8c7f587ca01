package main

import (
	"bytes"
	_ "embed"
	"text/template"
)

// page is the name of the file of the report.
const page = "README.md"

//go:embed page.md
var pageText string

// figures are the values that the template of the page takes.
type figures struct {
	environment
	CPU     string
	Samples int

	Targets, Overhead, HTTP1, HTTP2, Parallel, Streams, Choose, Pool, Classify, Storm, Memory, Simulation string

	SDK, LimitStorm, Proxy, Absent, Store, Init, Start, Unmarshal string
}

// render returns the files of the report by name. It fails if the output lacks a figure.
func render(r *results, env environment) (map[string][]byte, error) {
	f := figures{
		environment: env, CPU: r.cpu, Samples: r.passes(),
		Targets: r.targetTable(), Overhead: r.overheadTable(),
		HTTP1: r.loopbackTable("http1"), HTTP2: r.loopbackTable("http2"),
		Parallel: r.parallelTable(), Streams: r.streamTable(), Choose: r.chooseTable(), Pool: r.poolTable(),
		Classify: r.classifyTable(), Storm: r.stormTable(), Memory: r.memoryTable(),
		Simulation: r.simulationTables(),

		SDK: r.sdkTable(), LimitStorm: r.limitStormTable(), Proxy: r.proxyTable(), Absent: r.absent(),
		Store: r.storeTable(), Init: r.initTable(), Start: r.startTable(), Unmarshal: r.unmarshalText(),
	}
	files, err := r.charts()
	if err != nil {
		return nil, err
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	t, err := template.New(page).Parse(pageText)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, f); err != nil {
		return nil, err
	}
	files[page] = b.Bytes()
	return files, nil
}
