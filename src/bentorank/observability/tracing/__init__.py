"""OpenTelemetry: a span for each request and for each stage of its work, sent by OTLP. Imported only where it is on."""
