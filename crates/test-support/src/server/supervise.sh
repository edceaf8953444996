# Runs a server and kills it when the test process ends: sh -c THIS sh DIRECTORY SERVER [ARGUMENT]...
#
# Prints the server's process id. Each line of input is a signal for the server and its children; `sent` is printed
# after it was sent. The line `end` kills them all. The end of the input, which also comes when the test process is
# killed, does the same and removes the directory.

# The kernel sends SIGHUP to a process group with stopped members when its parent ends.
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
    # The parent first: once stopped, it forks no more children.
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

# PostgreSQL's shared memory segment, which it uses to detect a running server, survives a kill.
segment=$(sed -n '7s/.* //p' "$directory/data/postmaster.pid" 2>/dev/null)
if [ -n "$segment" ]; then ipcrm -m "$segment" 2>/dev/null; fi

if $abandoned; then rm -rf "$directory"; fi
