/** What `onion-publisher init` writes: the whole configuration, every default shown. */
export const CONFIG_TEMPLATE = `# publisher.yaml: onion-publisher's whole configuration. It names no service, backend or secret:
# services and backends come from the signer's policy, and this program holds nothing that a client would believe.

# Where the signer answers: one Unix socket per publisher, made by the signer or forwarded by ssh -R; or by TLS,
# "https://HOST:PORT#sha256/…" with both pins from the commands \`tls\`; or a program, "exec:ssh -T signer".
signers: [ "unix:/run/onion-publisher/signer.sock" ]

# A stock tor on this host with CookieAuthentication 1. \`cookie\` only where tor does not name its cookie file itself.
# tor:
#   control: "127.0.0.1:9051"          # or "unix:/run/tor/control"
#   socks:   "127.0.0.1:9050"          # or "unix:/run/tor/socks"
#   cookie:  "/run/tor/control.authcookie"

# What survives a restart: the shelf of signed texts, and what each HSDir holds.
# state: /var/lib/onion-publisher

# Backends are called through tor at this port; two misses take their points out until they answer again.
# probe:
#   enabled:  true
#   port:     80
#   timeout:  30s
#   interval: 1min

# Publish only these of the signer's services.
# only: [frontpage]

# Numbers for Prometheus, at http://127.0.0.1:9101/metrics, of this host only; or in a file for node_exporter, as
# "textfile:/var/lib/node_exporter/onion-publisher.prom"; or a list of both.
# metrics: "127.0.0.1:9101"

# Keep every uploaded text, for reports. The folder grows.
# record: /var/lib/onion-publisher/uploaded
`;
