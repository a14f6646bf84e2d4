/** What `config init` writes: everything commented out, so that it changes nothing until it is edited. */
export const STARTER = `# streamctl configuration. A flag, or a typed --profile, is stronger than an environment variable, that
# is stronger than a profile chosen elsewhere, and a profile is stronger than what stands at the top level here.
# \`streamctl config show\` prints every setting with where it came from.

# The profile to use when neither --profile nor STREAMCTL_PROFILE names one.
# profile: local

# Settings for every profile. Names are those of the flags: connectTimeout is --connect-timeout.
# url: redis://127.0.0.1:6379/0
# connectTimeout: 5s
# commandTimeout: 10s

# How dead-letter queues are named; {stream} stands for the stream.
# dlqTemplate: "{stream}:dlq"

# Flags that a command has when its command line does not say otherwise.
# defaults:
#   consume:
#     claim-idle: 30s
#     max-deliveries: 8
#   dlq list:
#     limit: 50

# profiles:
#   local:
#     url: redis://127.0.0.1:6379
#   staging:
#     host: redis.staging.example
#     port: 6380
#     user: worker
#     passwordFile: /run/secrets/redis-password
#     tls: true
#     cacert: /etc/ssl/staging-ca.pem
#   production:
#     sentinel: [sentinel-1:26379, sentinel-2:26379, sentinel-3:26379]
#     master: orders
#     user: operator
#     passwordEnv: ORDERS_REDIS_PASSWORD
#     protected: true      # commands that change data ask for the profile's name
#   reporting:
#     url: redis://replica.example:6379
#     readOnly: true       # commands that change data refuse
#     defaults:
#       lag:
#         output: json
`;
