#!/usr/bin/env bash
# Makes what Envoy needs in docker-compose.yml: a certificate authority and a certificate (kept while they are good for
# another week), the bundle of policies that it begins with, and the configuration.
set -euo pipefail
out=/run/whynot
here="$(dirname "${BASH_SOURCE[0]}")"
umask 077
mkdir -p "$out/tls"
cd "$out/tls"

names="${WHYNOT_TLS_NAMES:-DNS:localhost,DNS:envoy,DNS:whynot-envoy,IP:127.0.0.1}"
if ! openssl x509 -checkend 604800 -noout -in admission.crt 2>/dev/null || [ "$(cat names 2>/dev/null)" != "$names" ]; then
	echo "making a certificate authority and a certificate for $names"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 365 -subj '/CN=whynot compose' \
		-addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign -keyout ca.key -out ca.crt
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj '/CN=whynot' -keyout admission.key -out admission.csr
	openssl x509 -req -in admission.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -out admission.crt.new \
		-extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\nkeyUsage=critical,digitalSignature\n' "$names")
	rm -f admission.csr ca.srl ca.key # nothing signs with it again
	printf '%s' "$names" >names
	mv admission.crt.new admission.crt
fi
cat >sds.json.new <<JSON
{"resources": [{"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret", "name": "admission",
  "tls_certificate": {"certificate_chain": {"filename": "$out/tls/admission.crt"}, "private_key": {"filename": "$out/tls/admission.key"}}}]}
JSON
mv sds.json.new sds.json

# What Envoy begins with, until the explainer has answered. Written whole or not at all: with broken policies the last good ones stay,
# and without any Envoy starts, and is not ready.
whynot policy build "$here/policies" -o "$out/bundle.json" || echo "the policies are broken: the last good ones are used, if there are any" >&2
whynot envoy render --template "$here/envoy.yaml" --bundle "$out/bundle.json" --live-policies \
	--context "$here/stack/context.json" --live-context \
	--set ADMISSION_ADDRESS=0.0.0.0 --set ADMISSION_PORT=8443 --set ADMIN_PORT=9901 \
	--set EXPLAINER_HOST=explainer --set EXPLAINER_PORT=8080 \
	--set TLS_SDS="$out/tls/sds.json" --set FILTER_WASM=/opt/whynot/whynot_filter.wasm \
	-o "$out/envoy.json"
