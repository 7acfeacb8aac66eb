// Program gitops applies a manifest as Argo CD and as Flux do, and prints what their users would read, as JSON.
//
//	gitops argo|flux KUBECONFIG < MANIFEST
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/fluxcd/pkg/ssa/utils"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// shown is what a person gets to see.
type shown struct {
	// Applied says that the API server took the object.
	Applied bool `json:"applied"`
	// Message is the text of the object: in Argo CD the resource's result, in Flux the error.
	Message string `json:"message"`
	// Status is the text of the whole: in Argo CD the operation's, in Flux the Ready condition's.
	Status string `json:"status"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	tools := map[string]func(context.Context, *rest.Config, *unstructured.Unstructured) (shown, error){
		"argo": argo,
		"flux": flux,
	}
	if len(os.Args) != 3 || tools[os.Args[1]] == nil {
		return fmt.Errorf("usage: gitops argo|flux KUBECONFIG < MANIFEST")
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[2])
	if err != nil {
		return err
	}
	object, err := utils.ReadObject(os.Stdin)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	result, err := tools[os.Args[1]](ctx, config, object)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(result)
}
