package main

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"runtime"
	"sync/atomic"
	"time"
)

// workloads do one case, once; bench/README.md says what tasks do. echo is none of them, since it
// has to listen before.
var workloads = map[string]func(c *spec, flights *flightLog) any{
	"sleeps":    sleeps,
	"gather":    gatherTree,
	"heartbeat": heartbeat,
	"mix":       mix,
	"cancel":    cancel,
	"channel":   channel,
	"ping_pong": pingPong,
	"fetch":     fetch,
}

// sleep suspends its task even for no time at all: time.Sleep would return at once.
func sleep(d time.Duration) {
	if d <= 0 {
		runtime.Gosched()
		return
	}
	time.Sleep(d)
}

func sleeps(c *spec, flights *flightLog) any {
	return gather(c.Tasks, flights, func(i int) int64 {
		delay := c.delay(i)
		start := time.Now()
		sleep(delay)
		return int64(time.Since(start) - delay)
	})
}

func gatherTree(c *spec, flights *flightLog) any {
	return children(c, 1, 0, flights)
}

// children returns the values of the children, at a level, of the node at a position of the level
// above.
func children(c *spec, level, parent int, flights *flightLog) []uint64 {
	first := parent * c.FanOut
	if level == c.Depth {
		return gather(c.FanOut, flights, func(i int) uint64 {
			runtime.Gosched()
			return c.leafValue(first + i)
		})
	}
	return gather(c.FanOut, flights, func(i int) uint64 {
		return sumOf(children(c, level+1, first+i, flights))
	})
}

// A pulse is what a task of heartbeat returns: the one that beats its gaps, the others a value.
type pulse struct {
	Value                   uint64
	LongestGapNs, MeanGapNs int64
}

func heartbeat(c *spec, flights *flightLog) any {
	return gather(c.Tasks+1, flights, func(i int) pulse {
		if i == 0 {
			return beat(c)
		}
		return computeInParts(c, i-1)
	})
}

func beat(c *spec) pulse {
	var longest time.Duration
	first := time.Now()
	last := first
	for i := 0; i < c.Beats; i++ {
		sleep(time.Until(last.Add(c.Interval)))
		now := time.Now()
		if gap := now.Sub(last); gap > longest {
			longest = gap
		}
		last = now
	}
	mean := last.Sub(first) / time.Duration(c.Beats)
	return pulse{LongestGapNs: int64(longest), MeanGapNs: int64(mean)}
}

func computeInParts(c *spec, task int) (computed pulse) {
	for part := 0; part < c.Parts; part++ {
		runtime.Gosched()
		computed.Value += c.leafValue(task*c.Parts + part)
	}
	return computed
}

func mix(c *spec, flights *flightLog) any {
	return gather(c.Tasks, flights, func(i int) (sum uint64) {
		for round := 0; round < c.Rounds; round++ {
			sleep(c.Wait)
			sum += c.leafValue(i*c.Rounds + round)
		}
		return sum
	})
}

// Sleepers are what became of the tasks of cancel.
type sleepers struct{ begun, cleanedUp, woken atomic.Int64 }

// cancel goes by a context, which is how goroutines are told to end: each waits for its timer or for that.
func cancel(c *spec, flights *flightLog) any {
	var all sleepers
	ctx, cancelAll := context.WithCancel(context.Background())
	joined := make(chan error, 1)
	go func() {
		gather(c.Tasks, flights, func(int) error { return all.sleep(ctx) })
		joined <- ctx.Err()
	}()
	for all.begun.Load() < int64(c.Tasks) {
		runtime.Gosched()
	}
	start := time.Now()
	cancelAll()
	told := int64(0)
	if errors.Is(<-joined, context.Canceled) {
		told = 1
	}
	return []int64{all.cleanedUp.Load(), all.woken.Load(), told, int64(time.Since(start))}
}

func (all *sleepers) sleep(ctx context.Context) error {
	all.begun.Add(1)
	defer all.cleanedUp.Add(1)
	alarm := time.NewTimer(time.Hour)
	defer alarm.Stop()
	select {
	case <-alarm.C:
		all.woken.Add(1)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// listen leaves the backlog to package net, which takes the most that the kernel allows.
func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	return listener
}

// echo accepts in each task, one of the two ways that the specification allows: many goroutines may
// wait in Accept at once.
func echo(listener net.Listener, c *spec, flights *flightLog) any {
	return gather(c.Connections, flights, func(int) int64 {
		connection, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		defer connection.Close()
		return echoConnection(connection, make([]byte, c.BufferBytes), c.Deadline)
	})
}

// echoConnection reads and writes by hand: io.Copy between TCP connections would have no buffer,
// but the kernel splice them. TCP_NODELAY is what package net sets on every connection.
func echoConnection(connection net.Conn, buffer []byte, deadline time.Duration) (echoed int64) {
	for {
		if deadline > 0 {
			if err := connection.SetReadDeadline(time.Now().Add(deadline)); err != nil {
				log.Fatal(err)
			}
		}
		size, err := connection.Read(buffer)
		if errors.Is(err, io.EOF) {
			return echoed
		}
		if err == nil {
			_, err = connection.Write(buffer[:size])
		}
		if err != nil {
			log.Fatal(err)
		}
		echoed += int64(size)
	}
}
