#!/usr/bin/env bash
# Four identities, two datasets, one bucket, and the rights that are granted on a project, an account or a bucket.
# Run once by an administrator, then grants.sql for the rights on datasets. May be repeated: what is there stays.
set -euo pipefail
: "${PROJECT:?the project that is billed}" "${BUCKET:?the bucket of artifacts.root, without gs://}"
LOCATION=${LOCATION:-US}          # warehouse.location
WORK_DATASET=${WORK_DATASET:-work}
SERVING_DATASET=${SERVING_DATASET:-serving}
ROOT=${ROOT:-gnn}                 # folder of artifacts.root in the bucket
WORK_DAYS=${WORK_DAYS:-60}        # a week's tables and refused candidates are evidence for two months; artifacts stay

account() { echo "$1@$PROJECT.iam.gserviceaccount.com"; }
there() { "$@" >/dev/null 2>&1; }

for name in gnn-reader gnn-dagster gnn-step gnn-publish; do
    there gcloud iam service-accounts describe "$(account "$name")" --project "$PROJECT" ||
        gcloud iam service-accounts create "$name" --project "$PROJECT"
    for role in roles/bigquery.jobUser roles/bigquery.readSessionUser; do
        gcloud projects add-iam-policy-binding "$PROJECT" --condition None --quiet \
            --role "$role" --member "serviceAccount:$(account "$name")" >/dev/null
    done
done

there bq show --dataset "$PROJECT:$WORK_DATASET" ||
    bq mk --dataset --location "$LOCATION" --default_table_expiration $((WORK_DAYS * 86400)) "$PROJECT:$WORK_DATASET"
# Nothing here expires: what customers get must not vanish because a run was missed.
there bq show --dataset "$PROJECT:$SERVING_DATASET" ||
    bq mk --dataset --location "$LOCATION" "$PROJECT:$SERVING_DATASET"

there gcloud storage buckets describe "gs://$BUCKET" ||
    gcloud storage buckets create "gs://$BUCKET" --project "$PROJECT" --location "$LOCATION" \
        --uniform-bucket-level-access --public-access-prevention
for name in gnn-step gnn-publish; do
    gcloud storage buckets add-iam-policy-binding "gs://$BUCKET" --condition None \
        --role roles/storage.objectUser --member "serviceAccount:$(account "$name")" >/dev/null
done
for name in gnn-reader gnn-dagster; do
    gcloud storage buckets add-iam-policy-binding "gs://$BUCKET" --condition None \
        --role roles/storage.objectViewer --member "serviceAccount:$(account "$name")" >/dev/null
done
# Sensors run in Dagster's code server: they send the alerts, which lie beside the artifacts, and its logs lie there too.
# It may write these two folders and no artifact.
objects="projects/_/buckets/$BUCKET/objects"
gcloud storage buckets add-iam-policy-binding "gs://$BUCKET" \
    --role roles/storage.objectUser --member "serviceAccount:$(account gnn-dagster)" --condition "title=alerts-and-logs,\
expression=resource.name.startsWith('$objects/$ROOT/alerts/') || resource.name.startsWith('$objects/dagster-logs/')" \
    >/dev/null

# One machine that plays every role (no pods): OPERATOR=user:… or serviceAccount:… may speak as each of the three, and
# warehouse.reader, stager and publisher name them. In pods nobody may: each pod is its own account.
if [ -n "${OPERATOR:-}" ]; then
    for name in gnn-reader gnn-step gnn-publish; do
        gcloud iam service-accounts add-iam-policy-binding "$(account "$name")" --project "$PROJECT" \
            --role roles/iam.serviceAccountTokenCreator --member "$OPERATOR" >/dev/null
    done
fi
