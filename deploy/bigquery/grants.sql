-- Rights on datasets, by identity. Replace YOUR-PROJECT, and the dataset names if warehouse.* has others.
-- Reading: sources. The publisher too: `gnn publish` and `gnn doctor` in its pod look for the newest complete week.
-- Dagster's code server as well: its sensors look for new data, and for what is served.
GRANT `roles/bigquery.dataViewer` ON SCHEMA `YOUR-PROJECT.source`
TO 'serviceAccount:gnn-reader@YOUR-PROJECT.iam.gserviceaccount.com', 'serviceAccount:gnn-dagster@YOUR-PROJECT.iam.gserviceaccount.com', 'serviceAccount:gnn-step@YOUR-PROJECT.iam.gserviceaccount.com', 'serviceAccount:gnn-publish@YOUR-PROJECT.iam.gserviceaccount.com';

-- Reading: what is served, and the ledgers. Teams that read the table or the vectors get this and nothing else.
GRANT `roles/bigquery.dataViewer` ON SCHEMA `YOUR-PROJECT.serving`
TO 'serviceAccount:gnn-reader@YOUR-PROJECT.iam.gserviceaccount.com', 'serviceAccount:gnn-dagster@YOUR-PROJECT.iam.gserviceaccount.com', 'serviceAccount:gnn-step@YOUR-PROJECT.iam.gserviceaccount.com';

-- Staging: the week's tables, scores and candidates.
GRANT `roles/bigquery.dataEditor` ON SCHEMA `YOUR-PROJECT.work`
TO 'serviceAccount:gnn-step@YOUR-PROJECT.iam.gserviceaccount.com';

-- Publishing: the audit writes one scratch table beside the candidates that it judges, and the publish writes what is
-- served.
GRANT `roles/bigquery.dataEditor` ON SCHEMA `YOUR-PROJECT.work`
TO 'serviceAccount:gnn-publish@YOUR-PROJECT.iam.gserviceaccount.com';
GRANT `roles/bigquery.dataEditor` ON SCHEMA `YOUR-PROJECT.serving`
TO 'serviceAccount:gnn-publish@YOUR-PROJECT.iam.gserviceaccount.com';
