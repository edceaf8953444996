// Places, reads and lists orders, and is declined, by the package that openapi-generator makes of the OpenAPI
// document.
//
// usage: client GATEWAY_URL
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"os"

	"client/orders"
)

// 32-bit floats have no such number.
const (
	price     = 1234567.89
	priceText = "1234567.89"
)

func check(holds bool, what ...any) {
	if !holds {
		log.Panic(what...)
	}
}

func draft(user int64, price orders.OrderDraftItemUnitPrice) orders.OrderDraft {
	item := orders.NewOrderDraftItem("sku1", 1)
	item.SetUnitPrice(price)
	draft := orders.NewOrderDraft(user, []orders.OrderDraftItem{*item})
	draft.SetCurrency("EUR")
	return *draft
}

func checkAmounts(order orders.Order) {
	check(order.GetCurrency() == "EUR" && order.GetTotalPrice() == price, order)
	check(order.GetTotalPriceText() == priceText, order)
	item := order.OrderItems[0]
	check(item.UnitPrice == price && item.UnitPriceText == priceText && item.Quantity == 1, item)
}

func place(api *orders.OrdersAPIService, key string, draft orders.OrderDraft) orders.Order {
	request := api.PlaceOrder(context.Background()).OrderDraft(draft).IdempotencyKey(key)
	placed, response, err := request.Execute()
	check(err == nil && response.StatusCode == http.StatusCreated, err)
	check(placed.GetStatus() == "PAID" && placed.UserId == draft.UserId, placed)
	checkAmounts(*placed)
	again, response, err := request.Execute()
	check(err == nil && response.Header.Get("Idempotent-Replayed") == "true", err)
	check(again.OrderId == placed.OrderId, again)
	return *placed
}

func read(api *orders.OrdersAPIService, order orders.Order) {
	stored, _, err := api.ReadOrder(context.Background(), order.OrderId).Prefer("wait=5").Execute()
	check(err == nil, err)
	checkAmounts(*stored)
	page, _, err := api.ListOrders(context.Background()).UserId(order.UserId).Execute()
	check(err == nil && len(page.Orders) == 1 && page.NextPageToken == "", err, page)
	checkAmounts(page.Orders[0])
}

func beDeclined(api *orders.OrdersAPIService) {
	million := float64(1_000_000)
	declined := draft(123, orders.Float64AsOrderDraftItemUnitPrice(&million))
	_, response, err := api.PlaceOrder(context.Background()).OrderDraft(declined).Execute()
	check(err != nil && response.StatusCode == http.StatusPaymentRequired, err)
	var failure *orders.GenericOpenAPIError
	check(errors.As(err, &failure), err)
	problem, isProblem := failure.Model().(orders.Problem)
	check(isProblem && problem.Status == http.StatusPaymentRequired && !problem.Retryable, failure.Model())
	check(problem.Type == "/problems/payment-declined", problem.Type)
	check(problem.Errors[0].Detail == "insufficient balance", problem.Errors)
	check(problem.Metadata["decline_reason"] == "INSUFFICIENT_BALANCE", problem.Metadata)
}

// A later version may add members to responses.
func ignoreUnknownMembers(order orders.Order) {
	members, err := order.ToMap()
	check(err == nil, err)
	members["shipped_at"] = "2030-01-01"
	text, err := json.Marshal(members)
	check(err == nil, err)
	var later orders.Order
	err = json.Unmarshal(text, &later)
	check(err == nil && later.OrderId == order.OrderId, err)
}

func main() {
	configuration := orders.NewConfiguration()
	configuration.Servers = orders.ServerConfigurations{{URL: os.Args[1]}}
	api := orders.NewAPIClient(configuration).OrdersAPI
	text, number := priceText, float64(price)
	order := place(api, "go-text", draft(123, orders.StringAsOrderDraftItemUnitPrice(&text)))
	read(api, order)
	read(api, place(api, "go-number", draft(124, orders.Float64AsOrderDraftItemUnitPrice(&number))))
	beDeclined(api)
	ignoreUnknownMembers(order)
}
