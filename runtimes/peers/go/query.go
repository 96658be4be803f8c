//go:build pgx

package main

import (
	"context"
	"log"

	"github.com/jackc/pgx/v4"
)

func init() { workloads["query"] = query }

// query has a connection of pgx for each goroutine, which is what its documentation says of one connection:
// it is not for several at once.
func query(c *spec, flights *flightLog) any {
	return gather(c.Connections, flights, func(i int) uint64 {
		sum, err := c.queryInTurn(context.Background(), i)
		if err != nil {
			log.Fatal(err)
		}
		return sum
	})
}

func (c *spec) queryInTurn(ctx context.Context, task int) (sum uint64, err error) {
	connection, err := pgx.Connect(ctx, c.Server+"?sslmode=disable")
	if err != nil {
		return 0, err
	}
	defer connection.Close(ctx)
	if _, err = connection.Prepare(ctx, "by_key", c.Statement); err != nil {
		return 0, err
	}
	for i := 0; i < c.Queries; i++ {
		key := splitmix64(uint64(c.start)+uint64(task*c.Queries+i))%c.Accounts + 1
		var balance int32
		if err = connection.QueryRow(ctx, "by_key", int32(key)).Scan(&balance); err != nil {
			return 0, err
		}
		sum += uint64(balance)
	}
	return sum, nil
}
