package main

import (
	"context"
	"time"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync/common"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/kube"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/tracing"
	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// The name by which Argo CD's controller applies.
const argoManager = "argocd-controller"

type namespaced struct{}

func (namespaced) IsNamespaced(schema.GroupKind) (bool, error) { return true, nil }

// argo syncs the object as an application with one resource.
func argo(ctx context.Context, config *rest.Config, object *unstructured.Unstructured) (shown, error) {
	kubectl := &kube.KubectlCmd{Log: logr.Discard(), Tracer: tracing.NopTracer{}}
	live := map[kube.ResourceKey]*unstructured.Unstructured{}
	found, err := kubectl.GetResource(ctx, config, object.GroupVersionKind(), object.GetName(), object.GetNamespace())
	switch {
	case err == nil:
		live[kube.GetResourceKey(found)] = found
	case !apierrors.IsNotFound(err):
		return shown{}, err
	}
	targets := []*unstructured.Unstructured{object}
	reconciled := sync.Reconcile(targets, live, object.GetNamespace(), namespaced{})
	engine, cleanup, err := sync.NewSyncContext("", reconciled, config, config, kubectl, object.GetNamespace(),
		sync.WithLogr(logr.Discard()), sync.WithServerSideApplyManager(argoManager))
	if err != nil {
		return shown{}, err
	}
	defer cleanup()
	for {
		engine.Sync()
		phase, status, results := engine.GetState()
		text := ""
		if len(results) > 0 {
			text = results[0].Message
		}
		// Without controllers nothing becomes healthy: what was applied is enough.
		applied := len(results) > 0 && results[0].Status == common.ResultCodeSynced
		if phase.Completed() || applied || ctx.Err() != nil {
			return shown{Applied: applied, Message: text, Status: status}, ctx.Err()
		}
		time.Sleep(100 * time.Millisecond)
	}
}
