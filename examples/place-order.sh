#!/bin/sh
# Places an order with curl, and repeats the request with the same key until its outcome is known.
# Variables and exit codes: examples/README.md.
set -eu

base_url=${BASE_URL:-http://127.0.0.1:8080}
key=${IDEMPOTENCY_KEY:-$(cat /proc/sys/kernel/random/uuid 2>/dev/null || uuidgen)}
order='{"user_id":123,"order_items":[{"product_code":"sku1","unit_price":'${UNIT_PRICE:-0.12}',"quantity":1}]}'
attempts_max=8
# Longer than the server's own deadline of 10 s.
timeout_seconds=12

response=$(mktemp -d)
trap 'rm -rf "$response"' EXIT

# Prints the status, or 000 where no response arrived.
send() {
  curl --silent --show-error --max-time "$timeout_seconds" \
    --output "$response/body" --dump-header "$response/headers" --write-out '%{http_code}' \
    --header 'Content-Type: application/json' --header "Idempotency-Key: $key" \
    ${TOKEN:+--header "Authorization: Bearer $TOKEN"} --data "$order" "$base_url/orders" || true
}

# Seconds to wait: `Retry-After`, else exponential backoff up to 8 s; half of it at random.
delay() {
  after=$(sed -n 's/^[Rr]etry-[Aa]fter: *\([0-9]*\).*/\1/p' "$response/headers" 2>/dev/null | tail -n 1)
  awk -v after="$after" -v attempt="$1" 'BEGIN {
    srand(); backoff = 0.5 * 2 ^ (attempt - 1); if (backoff > 8) backoff = 8
    print (after == "" ? 0 : after) + backoff * (0.5 + rand() / 2)
  }'
}

attempt=1
while :; do
  rm -f "$response/body" "$response/headers"
  status=$(send)
  case $status in
    2??)
      cat "$response/body"
      exit 0
      ;;
    # No response: the order may have been placed. The same key finds out.
    000) ;;
    *)
      if ! grep -q '"retryable":true' "$response/body"; then
        cat "$response/body" >&2
        exit 1
      fi
      ;;
  esac
  if [ "$attempt" -ge "$attempts_max" ]; then
    echo "outcome unknown after $attempt attempts; repeat with IDEMPOTENCY_KEY=$key" >&2
    exit 2
  fi
  seconds=$(delay "$attempt")
  echo "attempt $attempt: status $status, next in $seconds s" >&2
  sleep "$seconds"
  attempt=$((attempt + 1))
done
