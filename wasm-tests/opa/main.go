// Command opa-oracle is OPA, in the version of go.mod, in the shapes that tests and benches need: it says what Rego
// means, how long OPA takes for it, and is OPA's own server. See README.md.
package main

import (
	"fmt"
	"os"

	opa "github.com/open-policy-agent/opa/cmd"
)

const usage = `usage: opa-oracle eval                     requests on standard input, answers on standard output
       opa-oracle bench FLAGS              times what is asked for on standard input
       opa-oracle cases FOLDER VERSION...  OPA's own conformance cases
       opa-oracle serve ARGUMENTS          opa run --server ARGUMENTS`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "opa-oracle:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	command := ""
	if len(arguments) > 0 {
		command, arguments = arguments[0], arguments[1:]
	}
	switch command {
	case "eval":
		return answerAll(os.Stdin, os.Stdout)
	case "bench":
		return bench(arguments, os.Stdin, os.Stdout)
	case "cases":
		return printCases(arguments, os.Stdout)
	case "serve":
		opa.RootCommand.SetArgs(append([]string{"run", "--server"}, arguments...))
		return opa.RootCommand.Execute()
	default:
		return fmt.Errorf("no such command: %q\n%s", command, usage)
	}
}
