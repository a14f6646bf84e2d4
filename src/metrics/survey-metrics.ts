import type { Survey } from "../engine/survey.ts";
import { addGroupGauges } from "./group-gauges.ts";
import type { MetricSet } from "./metric-set.ts";

/** Adds the gauges of an exporter, which show the survey there is when they are scraped; without one, nothing. */
export function addSurveyMetrics(metrics: MetricSet, survey: () => Survey | undefined): void {
  metrics.gauge("streamctl_stream_entries", "Length of the stream.", ["stream"], (gauge) => {
    gauge.reset();
    for (const { stream, length } of survey()?.streams ?? []) gauge.set({ stream }, length);
  });
  metrics.gauge(
    "streamctl_stream_memory_bytes",
    "Memory that the stream takes, as the server estimates it.",
    ["stream"],
    (gauge) => {
      gauge.reset();
      for (const { stream, memoryBytes } of survey()?.streams ?? [])
        if (memoryBytes !== null) gauge.set({ stream }, memoryBytes);
    },
  );
  metrics.gauge(
    "streamctl_dead_letters",
    "Length of the dead-letter queue of a stream that has groups.",
    ["stream", "dlq"],
    (gauge) => {
      gauge.reset();
      for (const { stream, dlq, count } of survey()?.deadLetters ?? []) gauge.set({ stream, dlq }, count);
    },
  );
  metrics.gauge(
    "streamctl_streams_left_out",
    "Streams that are not shown because there are too many of them.",
    [],
    (gauge) => {
      const leftOut = survey()?.leftOut;
      if (leftOut === undefined) gauge.remove();
      else gauge.set(leftOut);
    },
  );
  addGroupGauges(metrics, () => survey()?.groups);
}
