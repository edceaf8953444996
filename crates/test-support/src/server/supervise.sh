# Runs a server for a test that may be killed itself: sh -c THIS sh DIRECTORY SERVER [ARGUMENT]...
#
# Prints the server's process id. Every line of input but `end` is a signal for the server and its children,
# sent once `sent` is printed. `end` kills them all. So does the end of the input, which comes when the test
# process is gone, however it went, and then the directory is removed as well.

# The kernel hangs up on this group when the test process goes while the server is stopped.
trap '' HUP

directory=$1
shift
"$@" </dev/null >>"$directory/log" 2>&1 &
server=$!
echo "$server"

children() {
    grep -ls "^PPid:.$server\$" /proc/[0-9]*/status | cut -d/ -f3
}

abandoned=true
while read -r line; do
    if [ "$line" = end ]; then
        abandoned=false
        break
    fi
    # The parent first: stopped, it has no more children.
    kill -s "$line" "$server"
    kill -s "$line" $(children)
    echo sent
done

kill -s STOP "$server"
processes="$server $(children)"
kill -s KILL $processes
wait "$server"
for process in $processes; do
    while grep -qs '^State:.[^XZ]' "/proc/$process/status"; do sleep 0.02; done
done

# The segment by which PostgreSQL knows that it runs already outlives it.
segment=$(sed -n '7s/.* //p' "$directory/data/postmaster.pid" 2>/dev/null)
if [ -n "$segment" ]; then ipcrm -m "$segment" 2>/dev/null; fi

if $abandoned; then rm -rf "$directory"; fi
