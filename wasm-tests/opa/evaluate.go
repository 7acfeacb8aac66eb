package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/util"
)

// Longer than anything that a test asks on purpose.
const evaluationLimit = 10 * time.Second

// module is one file of Rego.
type module struct {
	File string `json:"file"`
	Text string `json:"text"`
	// Version of the language: "v0" or "v1".
	Version string `json:"version"`
}

// request is a set of modules and what is asked of them. Documents are JSON as text, so that it is OPA that reads them.
type request struct {
	Modules []module  `json:"modules"`
	Data    string    `json:"data"`
	Inputs  []*string `json:"inputs"`
	Queries []string  `json:"queries"`
	// Thorough turns off what lets OPA pass over rules whose result is not needed: an error in one of those is an
	// error then.
	Thorough bool `json:"thorough"`
}

// answer has the reasons why the modules do not compile, or an outcome for each query on each input.
type answer struct {
	Refused  []refusal   `json:"refused,omitempty"`
	Outcomes [][]outcome `json:"outcomes,omitempty"`
	// Failure is a request that makes no sense.
	Failure string `json:"failure,omitempty"`
}

// refusal is an error of the compiler.
type refusal struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	File    string `json:"file,omitempty"`
	Row     int    `json:"row,omitempty"`
}

// outcome is a value, an error, or neither: undefined.
type outcome struct {
	// Term is the value as Rego writes it.
	Term string `json:"term,omitempty"`
	// Value is JSON as text, in which {"__set": []} is a set and {"__object": [[key, value]]} has keys that are no texts.
	Value string        `json:"value,omitempty"`
	Error *runtimeError `json:"error,omitempty"`
}

// runtimeError is an error of the evaluation.
type runtimeError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func compileModules(modules []module) (*ast.Compiler, error) {
	parsed := make(map[string]*ast.Module, len(modules))
	for _, m := range modules {
		version := ast.RegoV1
		if m.Version == "v0" {
			version = ast.RegoV0
		}
		tree, err := ast.ParseModuleWithOpts(m.File, m.Text, ast.ParserOptions{RegoVersion: version})
		if err != nil {
			return nil, err
		}
		parsed[m.File] = tree
	}
	compiler := ast.NewCompiler()
	if compiler.Compile(parsed); compiler.Failed() {
		return nil, compiler.Errors
	}
	return compiler, nil
}

func storeOf(data string) (storage.Store, error) {
	document := map[string]any{}
	if data != "" {
		if err := util.UnmarshalJSON([]byte(data), &document); err != nil {
			return nil, fmt.Errorf("data: %w", err)
		}
	}
	return inmem.NewFromObjectWithOpts(document, inmem.OptRoundTripOnWrite(false)), nil
}

// respond never fails: whatever goes wrong is said in the answer.
func respond(r request) (a answer) {
	defer func() {
		if crash := recover(); crash != nil {
			a = answer{Failure: fmt.Sprintf("OPA panicked: %v", crash)}
		}
	}()
	compiler, err := compileModules(r.Modules)
	if err != nil {
		return answer{Refused: refusals(err)}
	}
	store, err := storeOf(r.Data)
	if err != nil {
		return answer{Failure: err.Error()}
	}
	inputs := make([]ast.Value, len(r.Inputs))
	for i, text := range r.Inputs {
		if text == nil {
			continue
		}
		var document any
		if err := util.UnmarshalJSON([]byte(*text), &document); err != nil {
			return answer{Failure: fmt.Sprintf("input %d: %v", i, err)}
		}
		if inputs[i], err = ast.InterfaceToValue(document); err != nil {
			return answer{Failure: fmt.Sprintf("input %d: %v", i, err)}
		}
	}
	outcomes := make([][]outcome, len(inputs))
	for _, query := range r.Queries {
		prepared, err := prepare(compiler, store, query)
		for i, input := range inputs {
			if err != nil {
				outcomes[i] = append(outcomes[i], outcome{Error: asRuntimeError(err)})
				continue
			}
			outcomes[i] = append(outcomes[i], evaluate(prepared, input, r.Thorough))
		}
	}
	return answer{Outcomes: outcomes}
}

// prepare compiles a query whose results stay Rego's own values: JSON has no sets.
func prepare(compiler *ast.Compiler, store storage.Store, query string) (rego.PreparedEvalQuery, error) {
	keep := func(term *ast.Term, _ *rego.EvalContext) (any, error) { return term, nil }
	return rego.New(
		rego.Query(query), rego.Compiler(compiler), rego.Store(store), rego.GenerateJSON(keep),
	).PrepareForEval(context.Background())
}

func evaluate(prepared rego.PreparedEvalQuery, input ast.Value, thorough bool) outcome {
	limited, cancel := context.WithTimeout(context.Background(), evaluationLimit)
	defer cancel()
	options := []rego.EvalOption{rego.EvalRuleIndexing(!thorough), rego.EvalEarlyExit(!thorough)}
	if input != nil {
		options = append(options, rego.EvalParsedInput(input))
	}
	results, err := prepared.Eval(limited, options...)
	if err != nil {
		return outcome{Error: asRuntimeError(err)}
	}
	if len(results) == 0 {
		return outcome{}
	}
	term, ok := results[0].Expressions[0].Value.(*ast.Term)
	if !ok {
		return outcome{Error: &runtimeError{"oracle", fmt.Sprintf("the result is a %T", results[0].Expressions[0].Value)}}
	}
	return outcome{Term: term.Value.String(), Value: string(encode(nil, term.Value))}
}

func refusals(err error) []refusal {
	var all ast.Errors
	if !errors.As(err, &all) {
		return []refusal{{Code: "other", Message: err.Error()}}
	}
	out := make([]refusal, len(all))
	for i, one := range all {
		out[i] = refusal{Code: one.Code, Message: one.Message}
		if one.Location != nil {
			out[i].File, out[i].Row = one.Location.File, one.Location.Row
		}
	}
	return out
}

func asRuntimeError(err error) *runtimeError {
	var one *topdown.Error
	if errors.As(err, &one) {
		return &runtimeError{one.Code, one.Message}
	}
	return &runtimeError{"other", err.Error()}
}
