// A container registry in memory, by the library of `crane`, and its client.
//
//	registry serve PORT             listens on 127.0.0.1 until it is ended
//	registry push REFERENCE FILE    pushes a bundle (.tar.gz) as the one layer of an artefact; prints its digest
package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	switch {
	case len(arguments) == 2 && arguments[0] == "serve":
		return http.ListenAndServe(net.JoinHostPort("127.0.0.1", arguments[1]), registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	case len(arguments) == 3 && arguments[0] == "push":
		return push(arguments[1], arguments[2])
	default:
		return errors.New("expected: serve PORT, or push REFERENCE FILE")
	}
}

func push(to, file string) error {
	reference, err := name.ParseReference(to, name.StrictValidation)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	image := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	image = mutate.ConfigMediaType(image, types.OCIConfigJSON)
	image, err = mutate.AppendLayers(image, static.NewLayer(content, types.OCILayer))
	if err != nil {
		return err
	}
	if err := remote.Write(reference, image); err != nil {
		return err
	}
	digest, err := image.Digest()
	if err != nil {
		return err
	}
	fmt.Println(digest)
	return nil
}
