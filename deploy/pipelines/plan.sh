#!/usr/bin/env bash
# What a change would do, as a comment: to callers, by `strangler plan`, and to the cluster, as the difference of the
# manifests of the production values. Compares a commit with the checkout.
#   deploy/pipelines/plan.sh COMMIT > plan.md
set -euo pipefail
cd "$(dirname "$0")/../.."

base=$1
folder=$(mktemp -d)
trap 'git worktree remove --force "$folder/base" >/dev/null 2>&1 || true; rm -rf "$folder"' EXIT
git worktree add --quiet --detach "$folder/base" "$base"

manifests() {
  if [ -d "$1/deploy/helm/strangler" ]; then
    helm template shop "$1/deploy/helm/strangler" --namespace shop --values "$1/deploy/helm/values/production.yaml" \
      --set-file gateway.configuration="$1/config/gateway.yaml"
  fi
}

manifests "$folder/base" > "$folder/before.yaml"
manifests . > "$folder/after.yaml"

echo "### What this changes for callers"
echo
echo '```'
# 1 means that callers go back to the legacy side: that is for the reader to judge.
strangler plan "$folder/base/config/gateway.yaml" config/gateway.yaml || [ $? -eq 1 ]
echo '```'
echo
echo "### What this changes in the cluster"
echo
if diff --unified=3 --label "before ($base)" --label after "$folder/before.yaml" "$folder/after.yaml" > "$folder/difference"; then
  echo "Nothing."
else
  # A comment of GitHub has at most 65,536 characters.
  echo '```diff'
  head -c 60000 "$folder/difference"
  echo
  echo '```'
fi
