#!/bin/sh
# Asks a running bentorank what it must be able to do. One line a check; status 0 if all are good. Needs curl alone.
set -u

usage() {
  cat <<'END'
usage: smoke.sh [--key-file FILE] [BASE_URL]

Asks the service at BASE_URL (http://127.0.0.1:3000 unless given): health, ranking, order, two other dialects, metrics,
and, where a key is given, that nobody is served without one. The questions are English: a model that reads none fails `order`.
Exit status: 0 all is well, 1 a check failed, 2 wrong usage.

  --key-file FILE       a file whose first line that is not a comment is an API key, as BENTORANK_API_KEYS_FILE has them
  BENTORANK_API_KEY     the key itself, where no file is given; it is never an argument of a program
  SMOKE_TIMEOUT_S       seconds for each request (10)
END
}

wrong() {
  echo "smoke.sh: $1" >&2
  echo "smoke.sh --help says how it is called" >&2
  exit 2
}

base=
key=${BENTORANK_API_KEY:-}
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --key-file)
      [ $# -ge 2 ] || wrong "--key-file needs a file"
      [ -r "$2" ] || wrong "the key file cannot be read: $2"
      key=$(grep -v -e '^[[:space:]]*#' -e '^[[:space:]]*$' "$2" | head -n 1 | tr -d ' \t\r')
      [ -n "$key" ] || wrong "the key file has no key in it: $2"
      shift ;;
    -*) wrong "unknown option $1" ;;
    *) [ -z "$base" ] || wrong "one BASE_URL at a time"; base=${1%/} ;;
  esac
  shift
done
base=${base:-http://127.0.0.1:3000}
timeout_s=${SMOKE_TIMEOUT_S:-10}
command -v curl >/dev/null || wrong "curl is not installed"
# A proxy for the world is none for this host.
no_proxy="127.0.0.1,localhost${no_proxy:+,$no_proxy}"
export no_proxy

failures=0
good() { printf 'ok    %-8s %s\n' "$1" "$2"; }
bad() { printf 'FAIL  %-8s %s\n' "$1" "$2"; failures=$((failures + 1)); }

# ask METHOD PATH KEY [BODY]: sets $status and $body; status 000 means that nothing answered, and $body says why.
# A service that is busy with others is asked a few times.
ask() {
  ask_once "$@"
  for _ in 1 2 3 4 5; do
    [ "$status" = 429 ] || return 0
    sleep 1
    ask_once "$@"
  done
}

# curl reads the key from a pipe, so that no list of processes shows it.
ask_once() {
  method=$1 path=$2 shown=$3
  shift 3
  answer=$(
    if [ -n "$shown" ]; then
      printf 'header = "Authorization: Bearer %s"\n' "$(printf %s "$shown" | sed 's/["\\]/\\&/g')"
    fi | curl --silent --show-error --config - --max-time "$timeout_s" --request "$method" \
      --header 'Content-Type: application/json' ${1:+--data "$1"} --write-out '\n%{http_code}' "$base$path" 2>&1
  )
  status=$(printf '%s\n' "$answer" | tail -n 1)
  body=$(printf '%s\n' "$answer" | sed '$d')
  case $status in
    [1-9][0-9][0-9]) ;;
    *) status=000 body=$(printf '%s\n' "$answer" | grep '^curl: ' | head -n 1) ;;
  esac
}

# What came instead of the answer that was hoped for.
came() {
  if [ "$status" = 000 ]; then
    printf 'no answer: %s' "$body"
  else
    printf 'status %s: %s' "$status" "$(printf '%s' "$body" | head -c 200 | tr '\n' ' ')"
  fi
}

positions() { printf '%s' "$body" | grep -o '"index" *: *[0-9]*' | tr -dc '0-9\n'; }
scores() { printf '%s' "$body" | grep -o '"score" *: *[-+0-9.eE]*' | sed 's/.*: *//'; }

everest='The summit lies 8,849 m above sea level, in the Himalayas.'
television='How to mount a tall television on a wall: how high is right, and how tall the mount should be.'
bread='Knead the dough, let it rise for an hour and bake it until the crust is golden.'
documents="[\"$television\", \"$everest\", \"$bread\"]"
first_of_each='1:how high is Mount Everest
0:how to hang a screen on the wall
2:how do I make a loaf of bread'

check_health() {
  ask GET /livez ""
  if [ "$status" = 000 ]; then
    bad health "nothing answers at $base ($(came))"
    echo "1 check failed; the others were not made"
    exit 1
  fi
  [ "$status" = 200 ] || { bad health "/livez: $(came)"; return; }
  ask GET /readyz ""
  [ "$status" = 200 ] || { bad health "/readyz: $(came)"; return; }
  good health "alive and ready"
}

check_auth() {
  request="{\"query\": \"bread\", \"documents\": [\"$bread\"]}"
  ask POST /rerank "" "$request"
  if [ -z "$key" ]; then
    case $status in
      200) good auth "no key was given, and none is asked for" ;;
      401) bad auth "the service wants a key: give --key-file or BENTORANK_API_KEY" ;;
      *) bad auth "a request without a key: $(came)" ;;
    esac
    return
  fi
  [ "$status" = 401 ] || { bad auth "a request without a key should be refused with 401, but got $(came)"; return; }
  ask POST /rerank "not-${key}" "$request"
  [ "$status" = 401 ] || { bad auth "a request with a wrong key should be refused with 401, but got $(came)"; return; }
  ask POST /rerank "$key" "$request"
  case $status in
    200) good auth "401 without a key and with a wrong one, 200 with the right one" ;;
    401) bad auth "the service does not know this key" ;;
    *) bad auth "a request with a key: $(came)" ;;
  esac
}

check_rerank() {
  ask POST /rerank "$key" "{\"query\": \"how high is Mount Everest\", \"documents\": $documents}"
  [ "$status" = 200 ] || { bad rerank "$(came)"; return; }
  [ "$(positions | sort | tr -d '\n')" = 012 ] || { bad rerank "not each of three documents once: $(came)"; return; }
  [ "$(scores | wc -l)" -eq 3 ] || { bad rerank "not three scores: $(came)"; return; }
  scores | awk 'NR > 1 && $1 > last {exit 1} {last = $1}' || { bad rerank "the scores do not fall: $(came)"; return; }
  good rerank "three documents, by falling scores"
}

check_order() {
  wrong_order=0
  while IFS=: read -r expected query; do
    ask POST /rerank "$key" "{\"query\": \"$query\", \"documents\": $documents}"
    [ "$status" = 200 ] || { bad order "$(came)"; return; }
    if [ "$(positions | head -n 1)" != "$expected" ]; then
      bad order "\"$query\" should be answered by document $expected, but document $(positions | head -n 1) came first"
      wrong_order=1
    fi
  done <<END
$first_of_each
END
  [ "$wrong_order" = 1 ] || good order "the right document first, for three questions"
}

check_dialect() { # name, path, the body's field of documents
  ask POST "$2" "$key" "{\"query\": \"how high is Mount Everest\", \"$3\": $documents}"
  [ "$status" = 200 ] || { bad "$1" "$2: $(came)"; return; }
  case $(positions | tr -d '\n') in
    102 | 120) good "$1" "$2 answers in its form" ;;
    *) bad "$1" "$2: not the right document first, or not all of them: $(came)" ;;
  esac
}

check_metrics() {
  ask GET /metrics "$key"
  [ "$status" = 200 ] || { bad metrics "$(came)"; return; }
  if printf '%s\n' "$body" | grep -q '^rerank_requests_total{.*} [1-9]'; then
    good metrics "/metrics counts requests"
  else
    bad metrics "/metrics has no rerank_requests_total above 0"
  fi
}

check_health
check_auth
check_rerank
check_order
check_dialect cohere /v2/rerank documents
check_dialect tei /rerank texts
check_metrics

case $failures in
  0) exit 0 ;;
  1) echo "1 check failed" ;;
  *) echo "$failures checks failed" ;;
esac
exit 1
