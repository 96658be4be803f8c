package main

import (
	"sync/atomic"
	"time"
)

// An element is what passes through the channel.
type element struct{ producer, number uint32 }

// A traffic is what a task of channel returns. Value is of producers the most elements that they have
// seen in the channel, of consumers the sum of what they popped; Other is of producers the longest time
// in ns for which the channel was full, of consumers how many elements came out of order.
type traffic struct {
	Elements, Value uint64
	Other           int64
}

// A count is written by one task and read by others; it has a cache line of its own.
type count struct {
	atomic.Uint64
	_ [56]byte
}

// A board says how far producers and consumers are.
type board struct {
	pushed, popped []count
	ended          atomic.Int64
}

// held says how many elements are between the ends: what was pushed is read first.
func (b *board) held() uint64 {
	var pushed, popped uint64
	for i := range b.pushed {
		pushed += b.pushed[i].Load()
	}
	for i := range b.popped {
		popped += b.popped[i].Load()
	}
	if popped > pushed {
		return 0
	}
	return pushed - popped
}

func channel(c *spec, flights *flightLog) any {
	between := make(chan element, c.Capacity)
	b := &board{pushed: make([]count, c.Producers), popped: make([]count, c.Consumers)}
	return gather(c.Producers+c.Consumers, flights, func(i int) traffic {
		if i < c.Producers {
			return produce(c, i, between, b)
		}
		return consume(c, i-c.Producers, between, b)
	})
}

func produce(c *spec, producer int, into chan<- element, b *board) (seen traffic) {
	for seen.Elements < uint64(c.Elements) {
		next := element{uint32(producer), uint32(seen.Elements)}
		select {
		case into <- next:
		default:
			full := time.Now()
			seen.Value = max64(seen.Value, b.held())
			into <- next
			if gap := int64(time.Since(full)); gap > seen.Other {
				seen.Other = gap
			}
		}
		seen.Elements++
		b.pushed[producer].Store(seen.Elements)
	}
	seen.Value = max64(seen.Value, b.held())
	if b.ended.Add(1) == int64(c.Producers) {
		close(into)
	}
	return seen
}

func consume(c *spec, consumer int, from <-chan element, b *board) (seen traffic) {
	expected := make([]uint32, c.Producers)
	for next := range from {
		seen.Elements++
		b.popped[consumer].Store(seen.Elements)
		seen.Value += uint64(c.start) + uint64(next.producer)*uint64(c.Elements) + uint64(next.number)
		if next.number < expected[next.producer] {
			seen.Other++
		}
		expected[next.producer] = next.number + 1
		if consumer == 0 && c.Slow > 0 {
			time.Sleep(c.Slow)
		}
	}
	return seen
}

func max64(a, b uint64) uint64 {
	if a > b {
		return a
	}
	return b
}

// pingPong gathers pairs of goroutines, with a channel for each way.
func pingPong(c *spec, flights *flightLog) any {
	return gather(c.Pairs, flights, func(pair int) uint64 {
		there, back := make(chan uint32, 1), make(chan uint32, 1)
		return gather(2, flights, func(player int) uint64 {
			if player == 0 {
				return serve(c.start+uint32(pair), back, there, c.Rounds)
			}
			return answerAll(there, back, c.Rounds)
		})[0]
	})
}

// serve has the ball first and last.
func serve(state uint32, from <-chan uint32, to chan<- uint32, rounds int) uint64 {
	for ; rounds > 0; rounds-- {
		to <- xorshift32(state)
		state = <-from
	}
	return uint64(state)
}

func answerAll(from <-chan uint32, to chan<- uint32, rounds int) uint64 {
	for ; rounds > 0; rounds-- {
		to <- xorshift32(<-from)
	}
	return 0
}
