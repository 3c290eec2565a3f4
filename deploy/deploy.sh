#!/bin/sh
# Builds the image, starts compose/compose.yaml with it, waits until it is ready and asks it with smoke.sh.
# A version that fails makes way for the one before.
set -u

usage() {
  cat <<'END'
usage: deploy.sh [--gpu] [--no-build]

Builds bentorank's image, starts it with Redis, Prometheus and Grafana (deploy/compose), waits until it is ready and asks it
with smoke.sh. If it fails, the image that ran before is started again; with none before, bentorank is stopped.
Run it again at any time: what is as it should be stays as it is. compose/compose.override.yaml is read if it is there.

  --gpu        with compose.gpu.yaml, on one NVIDIA GPU
  --no-build   start the image that is there already; so it is, too, where RERANK_IMAGE (here or in compose/.env) names one

  COMPOSE      the compose command; docker compose, podman-compose or podman compose is found by itself
  ENGINE       docker or podman; that of the compose command
  BUILD        how the image is built; make image
  WAIT_S       seconds until it must be ready; 180, with --gpu 600
  BASE_URL     where it is reached; the published port

Exit status: 0 deployed; 1 failed, and what ran before runs again (or bentorank is stopped: there was nothing before);
2 nothing was changed; 3 failed, and so did going back; 4 deployed, but Redis, Prometheus or Grafana does not start;
130 interrupted, and what ran before runs again.
END
}

say() { echo "deploy: $1"; }
give_up() {
  echo "deploy: $1" >&2
  exit 2
}

gpu=''
build=yes
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --gpu) gpu=-gpu ;;
    --no-build) build='' ;;
    *) give_up "unknown argument $1; deploy.sh --help says what there is" ;;
  esac
  shift
done

here=$(cd "$(dirname "$0")" && pwd) || exit 2
cd "$here/compose" || exit 2

# Compose -----------------------------------------------------------------------------------------------------------

engine_of() {
  case $1 in *podman*) echo podman ;; *) echo docker ;; esac
}

# A client without its engine, or one that this user may not use, does not count.
find_compose() {
  for candidate in "docker compose" podman-compose "podman compose"; do
    engine=$(engine_of "$candidate")
    if command -v "${candidate%% *}" >/dev/null && "$engine" info >/dev/null 2>&1 && $candidate version >/dev/null 2>&1; then
      echo "$candidate"
      return
    fi
  done
}

COMPOSE=${COMPOSE:-$(find_compose)}
[ -n "$COMPOSE" ] || give_up "neither docker compose nor podman-compose answers: is the engine running, and may this user use it?"
ENGINE=${ENGINE:-$(engine_of "$COMPOSE")}
export ENGINE
command -v curl >/dev/null || give_up "curl is not installed"

files="-f compose.yaml${gpu:+ -f compose.gpu.yaml}"
[ ! -e compose.override.yaml ] || files="$files -f compose.override.yaml"

compose() {
  # Words of a command, split on purpose.
  # shellcheck disable=SC2086
  $COMPOSE $files "$@" 9>&-
}

# from_env_file NAME: its value in .env.
from_env_file() { sed -n "s/^$1=//p" .env 2>/dev/null | tail -n 1; }

container() { # of a service; with --all one that is stopped or starts over and over, too
  service=$1
  shift
  "$ENGINE" ps --quiet "$@" \
    --filter "label=com.docker.compose.project=${COMPOSE_PROJECT_NAME:-bentorank}" \
    --filter "label=com.docker.compose.service=$service" | head -n 1
}
image_of_container() { [ -z "$1" ] || "$ENGINE" inspect --format '{{.Image}}' "$1"; }
image_id() { "$ENGINE" image inspect --format '{{.Id}}' "$1" 2>/dev/null; }

# What can be wrong before anything is changed -------------------------------------------------------------------------

for file in secrets/api_keys secrets/cache_url secrets/redis_users; do
  [ -s "$file" ] || give_up "deploy/compose/$file is missing: run deploy/compose/make-secrets first"
done

password=${GRAFANA_ADMIN_PASSWORD:-$(from_env_file GRAFANA_ADMIN_PASSWORD)}
[ ${#password} -ge 8 ] || give_up "GRAFANA_ADMIN_PASSWORD has fewer than 8 characters: set it in deploy/compose/.env"
compose config >/dev/null || give_up "compose does not accept deploy/compose/compose.yaml with this environment"

if command -v flock >/dev/null; then
  exec 9>.deploy.lock
  flock -n 9 || give_up "another deployment is at work"
fi

version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' ../../src/bentorank/__init__.py)
image=${RERANK_IMAGE:-$(from_env_file RERANK_IMAGE)}
[ -z "$image" ] || build=''
image=${image:-bentorank:$version$gpu}
wait_s=${WAIT_S:-${gpu:+600}}
wait_s=${wait_s:-180}

# The steps ------------------------------------------------------------------------------------------------------------

start() {
  RERANK_IMAGE=$image
  export RERANK_IMAGE
  # With Redis, which it depends on, or else without: a cache is never needed.
  compose up -d bentorank || compose up -d --no-deps bentorank || return 1
  # Not every compose notices that a name means another image now.
  [ "$(image_of_container "$(container bentorank --all)")" = "$(image_id "$image")" ] ||
    compose up -d --force-recreate --no-deps bentorank
}

find_base_url() {
  base=${BASE_URL:-}
  [ -z "$base" ] || return 0
  address=$("$ENGINE" port "$(container bentorank --all)" 3000/tcp 2>/dev/null | head -n 1)
  [ -n "$address" ] || { say "port 3000 of the container is not published"; return 1; }
  case $address in 0.0.0.0:* | "[::]:"*) address=127.0.0.1:${address##*:} ;; esac
  base=http://$address
}

wait_until_ready() {
  find_base_url || return 1
  say "waiting up to $wait_s s until $base/readyz says so"
  end=$(($(date +%s) + wait_s))
  while [ "$(curl --silent --noproxy '*' --output /dev/null --write-out '%{http_code}' --max-time 2 "$base/readyz")" != 200 ]; do
    state=$("$ENGINE" inspect --format '{{.State.Status}} {{.RestartCount}}' "$(container bentorank --all)" 2>/dev/null)
    case $state in
      running\ 0 | created\ 0 | initialized\ 0 | starting\ 0) ;;
      *) say "the container does not stay up (${state:-it is gone})"; return 1 ;;
    esac
    [ "$(date +%s)" -lt "$end" ] || { say "it is not ready after $wait_s s"; return 1; }
    sleep 1
  done
}

serves() { start && wait_until_ready && "$here/smoke.sh" --key-file secrets/api_keys "$base"; }

# Back to what ran before; ends the script with $1, or with 3 if that fails too.
go_back() {
  trap '' INT TERM HUP
  say "the last lines of its log:"
  compose logs --tail 30 bentorank >&2
  if [ -z "$previous" ]; then
    compose stop bentorank
    say "there was no version before: bentorank is stopped; Redis, Prometheus and Grafana run on"
    exit "$1"
  fi
  failed=$(image_id "$image")
  if [ "$failed" = "$previous" ]; then
    say "this very image ran before, so there is nothing to go back to: it is left as it is"
    exit "$1"
  fi
  [ -z "$failed" ] || "$ENGINE" tag "$failed" bentorank:failed
  # The name means what runs, so that a `compose up` by hand changes nothing. A name with a digest cannot be given.
  "$ENGINE" tag "$previous" "$image" 2>/dev/null || image=bentorank:previous
  RERANK_PULL_POLICY=never
  export RERANK_PULL_POLICY
  say "going back to the version before"
  if serves; then
    say "FAILED: the version before serves again as $image; the other one is kept as bentorank:failed"
    exit "$1"
  fi
  say "FAILED: and the version before does not serve either: bentorank needs you now"
  exit 3
}

previous=$(image_of_container "$(container bentorank)")
if [ -n "$previous" ]; then
  "$ENGINE" tag "$previous" bentorank:previous || give_up "the image that runs now cannot be kept: it has no tag bentorank:previous"
else
  say "nothing runs yet: this is the first version here"
fi

trap 'echo; say "interrupted: nothing was changed"; exit 130' INT TERM HUP
if [ -n "$build" ]; then
  say "building $image"
  sh -c "${BUILD:-make -C ../.. image$gpu}" 9>&- || give_up "the image could not be built; nothing was changed"
fi
[ -n "$(image_id "$image")" ] || "$ENGINE" pull "$image" || give_up "there is no image $image"

trap 'echo; say "interrupted"; go_back 130' INT TERM HUP
say "starting $image with $COMPOSE"
serves || go_back 1
trap - INT TERM HUP
say "deployed: $image serves at $base"

# What only watches does not send a good version back.
if ! compose up -d --remove-orphans; then
  say "but Redis, Prometheus or Grafana does not start"
  exit 4
fi
# It finds changed rules beside its configuration.
prometheus=$(container prometheus)
[ -z "$prometheus" ] || "$ENGINE" kill --signal HUP "$prometheus" >/dev/null
