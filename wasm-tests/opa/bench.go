package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/util"
)

// list is a flag that may be given several times.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(value string) error {
	*l = append(*l, value)
	return nil
}

// timing is the answer to one line: nanoseconds for one input.
type timing struct {
	Iterations int   `json:"iterations"`
	Median     int64 `json:"median"`
	Minimum    int64 `json:"minimum"`
	Total      int64 `json:"total"`
}

// stopwatch times OPA on one set of modules. One iteration takes one input; they take turns.
type stopwatch struct {
	query  rego.PreparedEvalQuery
	inputs [][]byte
	parsed []any
}

// bench answers each line "PART ITERATIONS" with a timing. PART is "run" (bytes to result), "parse" or "eval".
// Whoever asks decides when, and can let the other side of a comparison run in between.
func bench(arguments []string, in io.Reader, out io.Writer) error {
	// One thread, as a worker of Envoy has one.
	runtime.GOMAXPROCS(1)
	watch, err := newStopwatch(arguments)
	if err != nil {
		return err
	}
	encode := json.NewEncoder(out)
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var part string
		var iterations int
		if _, err := fmt.Sscan(lines.Text(), &part, &iterations); err != nil || iterations < 1 {
			return fmt.Errorf("expected a part and a number of iterations, got %q", lines.Text())
		}
		measured, err := watch.measure(part, iterations)
		if err != nil {
			return err
		}
		if err := encode.Encode(measured); err != nil {
			return err
		}
	}
	return lines.Err()
}

func newStopwatch(arguments []string) (*stopwatch, error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	var files, inputs list
	flags.Var(&files, "module", "a file of Rego; may be repeated")
	flags.Var(&inputs, "input", "a file that holds an input; may be repeated")
	data := flags.String("data", "", "a file that holds the base document")
	query := flags.String("query", "", "what is evaluated, for example data.shop.deny")
	version := flags.String("version", "v1", "the language's version: v0 or v1")
	if err := flags.Parse(arguments); err != nil {
		return nil, err
	}
	if len(inputs) == 0 {
		return nil, fmt.Errorf("there is no -input")
	}
	modules := make([]module, len(files))
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		modules[i] = module{file, string(text), *version}
	}
	compiler, err := compileModules(modules)
	if err != nil {
		return nil, err
	}
	document := ""
	if *data != "" {
		text, err := os.ReadFile(*data)
		if err != nil {
			return nil, err
		}
		document = string(text)
	}
	store, err := storeOf(document)
	if err != nil {
		return nil, err
	}
	watch := &stopwatch{}
	watch.query, err = rego.New(rego.Query(*query), rego.Compiler(compiler), rego.Store(store)).
		PrepareForEval(context.Background())
	if err != nil {
		return nil, err
	}
	for _, file := range inputs {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var parsed any
		if err := util.UnmarshalJSON(text, &parsed); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		watch.inputs = append(watch.inputs, text)
		watch.parsed = append(watch.parsed, parsed)
	}
	return watch, nil
}

func (w *stopwatch) measure(part string, iterations int) (timing, error) {
	step, ok := map[string]func(int) error{"run": w.run, "parse": w.parse, "eval": w.eval}[part]
	if !ok {
		return timing{}, fmt.Errorf("no such part: %q", part)
	}
	times := make([]int64, iterations)
	total := int64(0)
	for i := range times {
		began := time.Now()
		if err := step(i % len(w.inputs)); err != nil {
			return timing{}, err
		}
		times[i] = time.Since(began).Nanoseconds()
		total += times[i]
	}
	slices.Sort(times)
	return timing{iterations, times[iterations/2], times[0], total}, nil
}

func (w *stopwatch) run(i int) error {
	var document any
	if err := util.UnmarshalJSON(w.inputs[i], &document); err != nil {
		return err
	}
	_, err := w.query.Eval(context.Background(), rego.EvalInput(document))
	return err
}

func (w *stopwatch) parse(i int) error {
	var document any
	return util.UnmarshalJSON(w.inputs[i], &document)
}

func (w *stopwatch) eval(i int) error {
	_, err := w.query.Eval(context.Background(), rego.EvalInput(w.parsed[i]))
	return err
}
