"""The metrics that are on /metrics and not in the dashboard, each with the reason."""

UNUSED = {
    "bentoml_service_adaptive_batch_size": "requests, of /bentoml/score alone; rerank_batch_pairs has all",
    "bentoml_service_last_request_timestamp_seconds": "scrapes are requests too; it has a series a process",
    "bentoml_service_request_in_progress": "rerank_active_requests is the same for the requests that are work",
}
