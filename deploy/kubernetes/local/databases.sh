# shellcheck shell=bash
# The database's image sources this file when its volume is empty. Creates a database and two users for each
# service. A user cannot see the other service's database. Names and passwords are those in the services'
# URLs.

# Prints the SQL that creates the user and database of the URL `user:password@tcp(host:port)/database`.
user_of() {
  local url user password database rights=$2
  url=$(<"/run/secrets/$1")
  user=${url%%:*} password=${url#*:} database=${url##*/}
  password=${password%@tcp(*}
  docker_process_sql <<SQL
CREATE DATABASE IF NOT EXISTS \`$database\` CHARACTER SET utf8mb4;
CREATE USER '$user'@'%' IDENTIFIED BY '${password//\'/\'\'}';
GRANT $rights ON \`$database\`.* TO '$user'@'%';
SQL
}

for service in order payment; do
  user_of "$service-database-url" 'SELECT, INSERT, UPDATE, DELETE'
  user_of "$service-migrate-database-url" 'ALL PRIVILEGES'
done
