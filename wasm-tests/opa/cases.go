package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/test/cases"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// conformanceCase is one of OPA's own cases, its documents as JSON text.
type conformanceCase struct {
	Note    string   `json:"note"`
	Modules []module `json:"modules"`
	Query   string   `json:"query"`
	Data    string   `json:"data,omitempty"`
	Input   string   `json:"input,omitempty"`
	// InputTerm is Rego, and goes before Input.
	InputTerm string `json:"inputTerm,omitempty"`
	// Bindings is a list with an object for each result. Without it the query has to fail.
	Bindings string `json:"bindings,omitempty"`
	// Unordered: the bindings are lists whose order does not matter.
	Unordered bool `json:"unordered,omitempty"`
	// Variables of the query, those that the results are made of.
	Variables []string `json:"variables,omitempty"`
	// Error is what OPA says.
	Error string `json:"error,omitempty"`
	// Environment: the case sets environment variables.
	Environment bool `json:"environment,omitempty"`
	// Experimental: the case turns on keywords that are off otherwise.
	Experimental bool `json:"experimental,omitempty"`
}

// printCases prints a line for each case below FOLDER/VERSION.
func printCases(arguments []string, out io.Writer) error {
	if len(arguments) < 2 {
		return fmt.Errorf("a folder and versions are needed\n%s", usage)
	}
	writer := bufio.NewWriter(out)
	encoder := json.NewEncoder(writer)
	for _, version := range arguments[1:] {
		set, err := cases.Load(filepath.Join(arguments[0], version))
		if err != nil {
			return err
		}
		notes := map[string]int{}
		for _, c := range set.Sorted().Cases {
			// Not all notes are unique.
			if notes[c.Note]++; notes[c.Note] > 1 {
				c.Note = fmt.Sprintf("%s (%d)", c.Note, notes[c.Note])
			}
			one, err := convert(c, version)
			if err != nil {
				return fmt.Errorf("%s: %w", c.Note, err)
			}
			if err := encoder.Encode(one); err != nil {
				return err
			}
		}
	}
	return writer.Flush()
}

func convert(c cases.TestCase, version string) (conformanceCase, error) {
	out := conformanceCase{
		Note:         version + "/" + c.Note,
		Modules:      []module{},
		Query:        c.Query,
		Unordered:    c.SortBindings,
		Environment:  len(c.Env) > 0,
		Experimental: c.ExperimentalKeywords,
	}
	for i, text := range c.Modules {
		out.Modules = append(out.Modules, module{fmt.Sprintf("test-%d.rego", i), text, version})
	}
	var err error
	if c.Data != nil {
		if out.Data, err = text(*c.Data); err != nil {
			return out, err
		}
	}
	if c.Input != nil {
		if out.Input, err = text(*c.Input); err != nil {
			return out, err
		}
	}
	if c.InputTerm != nil {
		out.InputTerm = *c.InputTerm
	}
	want := c.WantResult
	switch {
	case c.StrictError:
		// Such a case says what builtins' errors do in the strict mode, and nobody here runs in that.
		if want, out.Error, err = inDefaultMode(c, version); err != nil {
			return out, err
		}
	case c.WantError != nil:
		out.Error = *c.WantError
	case c.WantErrorCode != nil:
		out.Error = *c.WantErrorCode
	}
	if out.Error != "" {
		return out, nil
	}
	if want == nil {
		return out, fmt.Errorf("it wants nothing")
	}
	names := map[string]bool{}
	for _, bindings := range *want {
		for name := range bindings {
			names[name] = true
		}
	}
	out.Variables = slices.Sorted(maps.Keys(names))
	out.Bindings, err = text(*want)
	return out, err
}

func text(value any) (string, error) {
	encoded, err := json.Marshal(value)
	return string(encoded), err
}

// inDefaultMode evaluates a case as OPA does unless it is told otherwise.
func inDefaultMode(c cases.TestCase, version string) (*[]map[string]any, string, error) {
	var modules []module
	for i, text := range c.Modules {
		modules = append(modules, module{fmt.Sprintf("test-%d.rego", i), text, version})
	}
	compiler, err := compileModules(modules)
	if err != nil {
		return nil, "", err
	}
	query, err := compiler.QueryCompiler().Compile(ast.MustParseBody(c.Query))
	if err != nil {
		return nil, "", err
	}
	data := ""
	if c.Data != nil {
		if data, err = text(*c.Data); err != nil {
			return nil, "", err
		}
	}
	store, err := storeOf(data)
	if err != nil {
		return nil, "", err
	}
	ctx := context.Background()
	transaction := storage.NewTransactionOrDie(ctx, store)
	run := topdown.NewQuery(query).WithCompiler(compiler).WithStore(store).WithTransaction(transaction)
	switch {
	case c.InputTerm != nil:
		run = run.WithInput(ast.MustParseTerm(*c.InputTerm))
	case c.Input != nil:
		run = run.WithInput(ast.NewTerm(ast.MustInterfaceToValue(*c.Input)))
	}
	results, err := run.Run(ctx)
	if err != nil {
		return nil, err.Error(), nil
	}
	bindings := []map[string]any{}
	for _, result := range results {
		one := map[string]any{}
		for name, term := range result {
			// Wildcards, and what the compiler made itself.
			if strings.HasPrefix(string(name), "$") || strings.HasPrefix(string(name), "__local") {
				continue
			}
			if one[string(name)], err = ast.JSON(term.Value); err != nil {
				return nil, "", err
			}
		}
		bindings = append(bindings, one)
	}
	return &bindings, "", nil
}
