#!/usr/bin/env bash
# A kind cluster whose API server calls the Envoy of docker-compose.yml. `kind.sh up | down`; both may be repeated.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cluster=whynot
export COMPOSE_PROJECT_NAME=whynot # whatever the clone's folder is called
# The API server runs in the node's network, where Docker resolves this name once Envoy has joined it.
host=whynot-envoy

have docker || die "no docker" "install Docker and start its daemon"
docker info >/dev/null 2>&1 || die "the Docker daemon does not answer" "start it (systemctl start docker), or add yourself to the group 'docker'"
docker compose version >/dev/null 2>&1 || die "docker has no compose plugin" "install docker-compose-plugin (version 2)"
have kind || die "no kind" "go install sigs.k8s.io/kind@latest, and put \$(go env GOPATH)/bin on PATH"
have kubectl || die "no kubectl" "install kubectl, of the cluster's version or one beside it"

envoy() { docker compose ps --quiet envoy; }

case ${1:-} in
up)
	say "compose: building and starting envoy and explainer"
	docker compose up --build --detach --wait envoy explainer
	if kind get clusters 2>/dev/null | grep -qx "$cluster"; then
		skip "kind: the cluster '$cluster' is there"
	else
		say "kind: creating the cluster '$cluster'"
		kind create cluster --name "$cluster" --config wasm-tests/kind/cluster.yaml --wait 180s
	fi
	if docker network inspect kind --format '{{range .Containers}}{{.Name}} {{end}}' | grep -qw "$(docker inspect --format '{{slice .Name 1}}' "$(envoy)")"; then
		skip "network: Envoy is in the cluster's network"
	else
		say "network: Envoy joins the cluster's network as $host"
		docker network connect --alias "$host" kind "$(envoy)"
	fi
	say "context: the explainer follows the cluster, with the role that its policies need"
	kubectl=(kubectl --context "kind-$cluster")
	docker compose exec -T explainer whynot context rbac --policies /opt/whynot/policies | "${kubectl[@]}" apply -f -
	"${kubectl[@]}" apply -f wasm-tests/kind/explainer.yaml
	token=''
	for _ in $(seq 30); do # a controller writes it
		token=$("${kubectl[@]}" --namespace whynot get secret explainer -o jsonpath='{.data.token}' | base64 -d)
		[ -z "$token" ] || break
		sleep 1
	done
	[ -n "$token" ] || die "the cluster makes no token for the explainer" "kubectl --context kind-$cluster -n whynot describe secret explainer"
	authority=$("${kubectl[@]}" --namespace whynot get secret explainer -o jsonpath='{.data.ca\.crt}')
	install -d -m 700 "$BUILD/kind"
	# Readable in the container, by another user than the one that owns it here; the folder keeps others out.
	cat >"$BUILD/kind/kubeconfig" <<-JSON
		{"apiVersion": "v1", "kind": "Config", "current-context": "kind",
		  "clusters": [{"name": "kind", "cluster": {"server": "https://$cluster-control-plane:6443", "certificate-authority-data": "$authority"}}],
		  "users": [{"name": "explainer", "user": {"token": "$token"}}],
		  "contexts": [{"name": "kind", "context": {"cluster": "kind", "user": "explainer"}}]}
	JSON
	chmod 644 "$BUILD/kind/kubeconfig"
	docker compose --file docker-compose.yml --file wasm-tests/kind/compose.yaml up --detach --wait explainer
	say "webhook: applying it"
	ca=$(docker compose cp prepare:/run/whynot/tls/ca.crt - | tar -xO | base64 -w0)
	sed -e "s|\${WEBHOOK_URL}|https://$host:8443/validate|" -e "s|\${CA_BUNDLE}|$ca|" wasm-tests/stack/webhook.yaml |
		kubectl --context "kind-$cluster" apply -f -
	say "ready: kubectl --context kind-$cluster apply -f wasm-tests/stack/demo/namespace.yaml -f wasm-tests/stack/demo/pod.yaml"
	;;
down)
	if kind get clusters 2>/dev/null | grep -qx "$cluster"; then
		say "kind: deleting the cluster '$cluster'"
		kind delete cluster --name "$cluster"
	else
		skip "kind: there is no cluster '$cluster'"
	fi
	say "compose: stopping"
	docker compose down
	;;
*) die "unknown argument '${1:-}'" "just kind-up, or just kind-down" ;;
esac
