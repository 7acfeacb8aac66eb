package main

import (
	"context"

	"github.com/fluxcd/pkg/runtime/conditions"
	"github.com/fluxcd/pkg/ssa"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The name by which kustomize-controller applies.
const fluxManager = "kustomize-controller"

// flux applies the object as kustomize-controller does, and puts the error into a condition.
func flux(ctx context.Context, config *rest.Config, object *unstructured.Unstructured) (shown, error) {
	kube, err := client.New(config, client.Options{})
	if err != nil {
		return shown{}, err
	}
	manager := ssa.NewResourceManager(kube, nil, ssa.Owner{Field: fluxManager, Group: "kustomize.toolkit.fluxcd.io"})
	manager.SetOwnerLabels([]*unstructured.Unstructured{object}, "apps", "flux-system")
	// What it makes of a denial when it may delete and make anew: the text must not be taken for one about a field that
	// never changes.
	options := ssa.DefaultApplyOptions()
	options.Force = true
	_, err = manager.Apply(ctx, object, options)
	if err == nil {
		return shown{Applied: true}, nil
	}
	holder := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
	}}
	setter := conditions.UnstructuredSetter(holder)
	conditions.MarkFalse(setter, "Ready", "ReconciliationFailed", "%s", err)
	ready := conditions.Get(setter, "Ready")
	if ready == nil {
		ready = &metav1.Condition{}
	}
	return shown{Message: err.Error(), Status: ready.Message}, nil
}
