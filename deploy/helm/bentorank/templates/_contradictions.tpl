{{/* Values that cannot all be meant, each refused in a sentence. */}}

{{- define "bentorank.refuseContradictions" -}}
{{- $config := .Values.config -}}
{{- $model := include "bentorank.model" . -}}
{{- $minReplicas := int (include "bentorank.minReplicas" .) -}}
{{- $hasKeys := ne .Values.apiKeys.existingSecret "" -}}

{{- $elsewhere := dict
  "BENTORANK_ADMIN_KEY" "a change would reach one pod of several: change BENTORANK_MODELS and roll it out"
  "BENTORANK_API_KEYS" "put keys into a Secret and name it in apiKeys.existingSecret"
  "BENTORANK_API_KEYS_FILE" "name a Secret in apiKeys.existingSecret"
  "BENTORANK_CACHE_DIR" "it is in the scratch volume"
  "BENTORANK_CACHE_URL" "put the URL into a Secret and name it in redis.existingSecret"
  "BENTORANK_CACHE_URL_FILE" "put the URL into a Secret and name it in redis.existingSecret"
  "BENTORANK_ENV_FILE" "write its lines into config"
  "BENTORANK_GPUS" "a pod has one GPU or none: gpu.enabled"
  "BENTORANK_HOST" "a container listens on every address"
  "BENTORANK_PORT" "service.port is what callers see"
  "BENTORANK_TRACING" "set tracing.endpoint"
  "BENTORANK_WORKERS" "a pod has one worker, or those that share its GPU, BENTORANK_WORKERS_PER_GPU: replicaCount"
-}}
{{- range $name, $way := $elsewhere -}}
{{- if hasKey $config $name -}}{{- fail (printf "config.%s is the chart's business: %s" $name $way) -}}{{- end -}}
{{- end -}}

{{- range .Values.extraEnv -}}
{{- if hasPrefix "BENTORANK_" (upper .name) -}}{{- fail (printf "extraEnv has %s: bentorank's settings stand in config, its secrets in apiKeys and redis" .name) -}}{{- end -}}
{{- end -}}

{{- if eq .Values.image.tag "latest" -}}
{{- fail "image.tag is latest: pods of one release would differ; name a version" -}}
{{- end -}}

{{- if and .Values.podDisruptionBudget.enabled (lt $minReplicas 2) -}}
{{- fail "podDisruptionBudget.enabled needs two pods: with one, draining a node interrupts the service or never ends; raise replicaCount (autoscaling.minReplicas), or disable it" -}}
{{- end -}}
{{- if and .Values.podDisruptionBudget.enabled (ge (int .Values.podDisruptionBudget.maxUnavailable) $minReplicas) -}}
{{- fail (printf "podDisruptionBudget.maxUnavailable is %d of %d pods: nobody would be left to serve" (int .Values.podDisruptionBudget.maxUnavailable) $minReplicas) -}}
{{- end -}}
{{- if eq (add (int .Values.rollout.maxSurge) (int .Values.rollout.maxUnavailable)) 0 -}}
{{- fail "rollout.maxSurge and rollout.maxUnavailable are both 0: no pod could ever be replaced" -}}
{{- end -}}

{{- with .Values.autoscaling -}}
{{- if ne .kind "none" -}}
{{- if lt (int .maxReplicas) (int .minReplicas) -}}
{{- fail (printf "autoscaling.maxReplicas is %d but autoscaling.minReplicas is %d" (int .maxReplicas) (int .minReplicas)) -}}
{{- end -}}
{{- end -}}
{{- if and (eq .kind "hpa") (not .hpa.cpuPercent) (not .hpa.queueSeconds) -}}
{{- fail "autoscaling.kind is hpa, but neither hpa.cpuPercent nor hpa.queueSeconds says by what" -}}
{{- end -}}
{{- if and (eq .kind "hpa") $.Values.gpu.enabled (not .hpa.queueSeconds) -}}
{{- fail "gpu.enabled, but autoscaling.hpa goes by CPU alone, which says nothing of a GPU: set hpa.queueSeconds, or use keda" -}}
{{- end -}}
{{- if and (eq .kind "keda") (not .keda.serverAddress) -}}
{{- fail "autoscaling.kind is keda, but keda.serverAddress does not say where Prometheus is" -}}
{{- end -}}
{{- end -}}

{{- if and (not $hasKeys) (dig "BENTORANK_METRICS_NEED_KEY" false $config) -}}
{{- fail "config.BENTORANK_METRICS_NEED_KEY is true, but there are no keys: set apiKeys.existingSecret" -}}
{{- end -}}
{{- if and (not $hasKeys) (hasKey $config "BENTORANK_KEY_TOKENS_PER_S") -}}
{{- fail "config.BENTORANK_KEY_TOKENS_PER_S limits keys, but there are none: set apiKeys.existingSecret" -}}
{{- end -}}
{{- if and (not $hasKeys) .Values.ingress.enabled (not .Values.ingress.allowWithoutKeys) -}}
{{- fail "ingress.enabled, but there are no keys: whoever knows the address could use it; set apiKeys.existingSecret, or ingress.allowWithoutKeys" -}}
{{- end -}}
{{- if and (not $hasKeys) (ne .Values.service.type "ClusterIP") -}}
{{- fail (printf "service.type %s reaches beyond the cluster, but there are no keys: set apiKeys.existingSecret" .Values.service.type) -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- fail "ingress.enabled, but ingress.hosts is empty" -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled (include "bentorank.metricsNeedKey" .) (not .Values.serviceMonitor.keySecret) -}}
{{- fail "/metrics wants a key here, but serviceMonitor.keySecret names none for Prometheus; config.BENTORANK_METRICS_NEED_KEY: false opens it to all" -}}
{{- end -}}

{{- if and .Values.redis.existingSecret (not (dig "BENTORANK_CACHE" true $config)) -}}
{{- fail "redis.existingSecret is set, but config.BENTORANK_CACHE is false: unset one of them" -}}
{{- end -}}

{{- $sources := include "bentorank.sources" . | splitList "," -}}
{{- $onVolume := false -}}
{{- range $sources -}}
{{- if hasPrefix "/models" . -}}{{- $onVolume = true -}}{{- end -}}
{{- end -}}
{{- if and (dig "BENTORANK_MODELS" "" $config) (ne $model "starter") -}}
{{- fail "config.BENTORANK_MODELS and config.BENTORANK_MODEL are both set: unset one of them" -}}
{{- end -}}
{{- if and $onVolume (not .Values.model.existingClaim) -}}
{{- fail "config.BENTORANK_MODEL or BENTORANK_MODELS is below /models, but model.existingClaim names no volume for it" -}}
{{- end -}}
{{- if and .Values.model.existingClaim (not $onVolume) -}}
{{- fail "model.existingClaim is mounted at /models, but neither config.BENTORANK_MODEL nor BENTORANK_MODELS is below it" -}}
{{- end -}}
{{- if and (include "bentorank.modelIsFetched" .) .Values.networkPolicy.enabled (not .Values.networkPolicy.extraEgress) -}}
{{- fail "config.BENTORANK_MODEL or BENTORANK_MODELS is to be fetched from Hugging Face, but networkPolicy lets nothing out to it: add networkPolicy.extraEgress, or put the model on a volume (model.existingClaim)" -}}
{{- end -}}
{{- if and .Values.gpu.enabled (eq (dig "BENTORANK_DEVICE" "auto" $config) "cpu") -}}
{{- fail "gpu.enabled, but config.BENTORANK_DEVICE is cpu: the GPU would idle" -}}
{{- end -}}

{{- with .Values.probes -}}
{{- $liveness := mul (int .liveness.periodSeconds) (int .liveness.failureThreshold) -}}
{{- $readiness := mul (int .readiness.periodSeconds) (int .readiness.failureThreshold) -}}
{{- if le $liveness $readiness -}}
{{- fail (printf "probes.liveness restarts after %d s, probes.readiness takes out after %d s: a pod must be out before it is restarted" $liveness $readiness) -}}
{{- end -}}
{{- if lt $liveness 15 -}}
{{- fail (printf "probes.liveness restarts after %d s: bentorank ends a hanging worker itself within 12 s and says why; leave it 15" $liveness) -}}
{{- end -}}
{{- if gt (int .readiness.timeoutSeconds) (int .readiness.periodSeconds) -}}
{{- fail "probes.readiness.timeoutSeconds is longer than its period" -}}
{{- end -}}
{{- end -}}
{{- end -}}
