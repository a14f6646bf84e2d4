import { defineScript } from "../script.ts";

/**
 * Removes a consumer that holds nothing. XGROUP DELCONSUMER alone throws away what the consumer has
 * pending, and a check before it would race with deliveries.
 *
 * KEYS[1]  the stream
 * ARGV     group, consumer
 * Returns  1 removed (or never there), 0 kept: it has pending entries.
 */
export const forgetConsumer = defineScript(
  "forget-consumer",
  `
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1
`,
);
