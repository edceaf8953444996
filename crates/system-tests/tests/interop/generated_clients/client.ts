// Places, reads and lists orders, and is declined, by openapi-fetch with the types generated from the OpenAPI
// document.
//
// usage: node client.js GATEWAY_URL

import createClient from "openapi-fetch";
import type { components, paths } from "./orders.js";

type Order = components["schemas"]["Order"];
type OrderDraft = components["schemas"]["OrderDraft"];

declare const process: { argv: string[] };

// 32-bit floats have no such number.
const PRICE = "1234567.89";

const client = createClient<paths>({ baseUrl: process.argv[2] });

function check(holds: boolean, what: unknown): asserts holds {
  if (!holds) throw new Error(JSON.stringify(what));
}

/** Without a currency, which is optional. */
function draft(user: number, price: number | string): OrderDraft {
  return { user_id: user, order_items: [{ product_code: "sku1", unit_price: price, quantity: 1 }] };
}

function checkAmounts(order: Order) {
  check(order.currency === "USD" && order.total_price === Number(PRICE), order);
  check(order.total_price_text === PRICE, order);
  const [item] = order.order_items;
  check(item?.unit_price === Number(PRICE) && item.unit_price_text === PRICE, order);
}

async function place(user: number, price: number | string): Promise<Order> {
  const header = { "Idempotency-Key": crypto.randomUUID() };
  const placed = await client.POST("/orders", { params: { header }, body: draft(user, price) });
  check(placed.response.status === 201 && placed.data !== undefined, placed.error);
  check(placed.data.status === "PAID" && placed.data.user_id === user, placed.data);
  checkAmounts(placed.data);
  return placed.data;
}

async function read(order: Order) {
  const path = { order_id: order.order_id };
  const stored = await client.GET("/orders/{order_id}", { params: { path, header: { Prefer: "wait=5" } } });
  check(stored.data?.order_id === order.order_id, stored.error);
  checkAmounts(stored.data);
  const listed = await client.GET("/orders", { params: { query: { user_id: order.user_id } } });
  check(listed.data?.orders.length === 1 && listed.data.orders[0] !== undefined, listed.error);
  checkAmounts(listed.data.orders[0]);
}

async function beDeclined() {
  const declined = await client.POST("/orders", { body: draft(123, 1_000_000) });
  check(declined.response.status === 402 && declined.error !== undefined, declined.data);
  // The type of a problem.
  const problem: components["schemas"]["Problem"] = declined.error;
  check(problem.type === "/problems/payment-declined" && !problem.retryable, problem);
  check(problem.errors?.[0]?.detail === "insufficient balance", problem);
  check(problem.metadata?.["decline_reason"] === "INSUFFICIENT_BALANCE", problem);
}

for (const [user, price] of [[123, PRICE], [124, Number(PRICE)]] as const) {
  await read(await place(user, price));
}
await beDeclined();
