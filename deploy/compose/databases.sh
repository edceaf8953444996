# shellcheck shell=bash
# Read by the database's image when its volume is empty: a database for each service, and for each two users, neither of whom
# can see the other service's. Names and passwords are those of the URLs that the services are given.

# The parts of `user:password@tcp(host:port)/database`, as the SQL that makes them.
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
