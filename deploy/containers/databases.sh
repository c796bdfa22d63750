#!/bin/bash
# PostgreSQL's image runs this once, for an empty data folder: a database and a role for each service.
set -euo pipefail

for name in gateway users catalog inventory payments orders order_history; do
  variable="${name^^}_PASSWORD"
  psql --username postgres --set ON_ERROR_STOP=1 --set name="$name" --set password="${!variable}" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
