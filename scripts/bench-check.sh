#!/usr/bin/env bash
# Times `whynot check` on a folder of manifests, 1,000 unless said otherwise: a Deployment and a Service in each, once with every
# tenth Deployment denied and once with all of them. The second run counts: the files are in memory by then, as they are after a
# checkout. Says the largest memory, too.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
count="${1:-1000}"
say "compiling whynot in release mode"
with_heartbeat "whynot" scripts/cargo.sh build --release --locked --package explainer-svc --bin whynot
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

# manifests EVERY: writes the files; of every so many Deployments one is denied.
manifests() {
	local number setting security settings
	for ((number = 0; number < count; number++)); do
		security=""
		if ((number % $1 == 0)); then security=$'\n          securityContext:\n            privileged: true # for debugging'; fi
		settings=""
		for ((setting = 0; setting < 20; setting++)); do settings+=$'\n            '"- {name: SETTING_$setting, value: \"$setting\"}"; done
		cat >"$folder/service-$number.yaml" <<-EOF
			# service $number
			apiVersion: apps/v1
			kind: Deployment
			metadata:
			  name: service-$number
			  namespace: team-$((number % 20))
			  labels: {app.kubernetes.io/name: service-$number}
			spec:
			  replicas: 2
			  selector: {matchLabels: {app.kubernetes.io/name: service-$number}}
			  template:
			    metadata:
			      labels: {app.kubernetes.io/name: service-$number}
			    spec:
			      containers:
			        - name: app
			          image: registry.example.com/service-$number:1.$((number % 7)).0
			          ports: [{name: http, containerPort: 8080}]
			          env:$settings
			          resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {memory: 128Mi}}
			          readinessProbe: {httpGet: {path: /ready, port: http}}
			          livenessProbe: {httpGet: {path: /live, port: http}}$security
			---
			apiVersion: v1
			kind: Service
			metadata: {name: service-$number, namespace: team-$((number % 20))}
			spec:
			  selector: {app.kubernetes.io/name: service-$number}
			  ports: [{port: 80, targetPort: http}]
		EOF
	done
}

# measured COMMAND...: runs it, output to a file, and prints its seconds and its largest memory in MiB.
measured() {
	python3 -c '
import resource, subprocess, sys, time
with open(sys.argv[1], "wb") as report:
    start = time.monotonic()
    code = subprocess.call(sys.argv[2:], stdout=report)
    seconds = time.monotonic() - start
if code not in (0, 1):
    sys.exit(code)
print(f"{seconds:.2f} s, at most {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024} MiB")
' "$folder/.report" "$@"
}

whynot="$CARGO_TARGET_DIR/release/whynot"
for every in 10 1; do
	manifests "$every"
	for output in text json sarif; do
		arguments=(check -f "$folder" --policies policies --output "$output")
		measured "$whynot" "${arguments[@]}" >/dev/null
		say "$count files, one of $every denied, $output: $(measured "$whynot" "${arguments[@]}")"
	done
	tail -n 1 <("$whynot" check -f "$folder" --policies policies || true)
done
