// Places an order, and repeats the request with the same key until its outcome is known.
// Variables and exit codes: examples/README.md. Needs Node.js 18 or newer, and no packages.

declare const process: { env: Record<string, string | undefined>; exitCode: number };

interface NewOrder {
  user_id: number;
  currency?: string;
  order_items: { product_code: string; unit_price?: number | string; quantity: number }[];
}

interface Order {
  order_id: number;
  status: string;
  currency: string;
  total_price: number;
}

/** RFC 9457, with the members that a client of this API needs. */
interface Problem {
  type: string;
  title: string;
  status: number;
  retryable: boolean;
  order_id?: number;
  errors?: { field: string; pointer?: string; detail: string }[];
}

/** The order was not placed, and the same request will not place it. */
class Rejected extends Error {
  constructor(readonly problem: Problem) {
    super(`${problem.status} ${problem.type}: ${problem.title}`);
  }
}

/** No attempt got a final response: the order may have been placed. */
class OutcomeUnknown extends Error {}

const BASE_URL = process.env.BASE_URL ?? "http://127.0.0.1:8080";
const ATTEMPTS_MAX = 8;
// Longer than the server's own deadline of 10 s.
const TIMEOUT_MS = 12_000;

async function send(order: NewOrder, key: string): Promise<Response> {
  const headers: Record<string, string> = { "Content-Type": "application/json", "Idempotency-Key": key };
  if (process.env.TOKEN) headers["Authorization"] = `Bearer ${process.env.TOKEN}`;
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  return fetch(`${BASE_URL}/orders`, { method: "POST", headers, body: JSON.stringify(order), signal });
}

async function placeOrder(order: NewOrder, key: string): Promise<Order> {
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    let retryAfter = 0;
    let reason: string;
    try {
      const response = await send(order, key);
      if (response.ok) return (await response.json()) as Order;
      const problem = (await response.json()) as Problem;
      if (!problem.retryable) throw new Rejected(problem);
      retryAfter = Number(response.headers.get("Retry-After") ?? 0);
      reason = `${problem.status} ${problem.type}`;
    } catch (error) {
      if (error instanceof Rejected) throw error;
      // No complete response: the order may have been placed. The same key finds out.
      reason = `no response (${error})`;
    }
    if (attempt < ATTEMPTS_MAX) {
      const backoff = Math.min(8, 0.5 * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2);
      const seconds = retryAfter + backoff;
      console.error(`attempt ${attempt}: ${reason}, next in ${seconds.toFixed(1)} s`);
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    }
  }
  throw new OutcomeUnknown(`outcome unknown after ${ATTEMPTS_MAX} attempts; repeat with IDEMPOTENCY_KEY=${key}`);
}

async function main(): Promise<number> {
  // A string keeps every digit of the price; a number may not.
  const item = { product_code: "sku1", unit_price: process.env.UNIT_PRICE ?? "0.12", quantity: 1 };
  const key = process.env.IDEMPOTENCY_KEY ?? crypto.randomUUID();
  try {
    console.log(JSON.stringify(await placeOrder({ user_id: 123, order_items: [item] }, key)));
    return 0;
  } catch (error) {
    if (error instanceof Rejected) {
      console.error(error.message);
      for (const { field, pointer, detail } of error.problem.errors ?? []) {
        console.error(`  ${pointer ?? field}: ${detail}`);
      }
      return 1;
    }
    console.error(`${error}`);
    return 2;
  }
}

process.exitCode = await main();
