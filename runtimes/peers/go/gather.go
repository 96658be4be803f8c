package main

import (
	"sync"
	"sync/atomic"
	"time"
)

// gather runs n tasks, each in a goroutine of its own, and returns their results in order. Each
// task writes into its own element: no lock and no channel is needed, and the WaitGroup orders the
// writes before the return.
func gather[T any](n int, flights *flightLog, task func(i int) T) []T {
	if flights != nil {
		task = followed(flights, task)
	}
	results := make([]T, n)
	var tasks sync.WaitGroup
	tasks.Add(n)
	for i := 0; i < n; i++ {
		go func(i int) {
			defer tasks.Done()
			results[i] = task(i)
		}(i)
	}
	tasks.Wait()
	return results
}

// A flightLog holds when tasks began and ended: pairs of nanoseconds since it was made. Goroutines
// on any core may add to it.
type flightLog struct {
	made  time.Time
	taken atomic.Int64
	pairs []flight
}

type flight struct{ Start, End int64 }

func newFlightLog(tasks int) *flightLog {
	return &flightLog{made: time.Now(), pairs: make([]flight, tasks)}
}

// followed is a task that notes when it is in flight.
func followed[T any](flights *flightLog, task func(i int) T) func(i int) T {
	return func(i int) T {
		start := time.Since(flights.made)
		result := task(i)
		end := time.Since(flights.made)
		flights.pairs[flights.taken.Add(1)-1] = flight{int64(start), int64(end)}
		return result
	}
}
