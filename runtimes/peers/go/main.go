// The workloads on goroutines, with GOMAXPROCS and the garbage collector as they come.
//
// This file is the protocol of ../README.md; the tasks are in workloads.go.
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"os"
	"runtime"
	"time"
)

// A request to run a case, or to write down what the last run came to.
type request struct {
	Request  string `json:"request"`
	Workload string `json:"workload"`
	Case     spec   `json:"case"`
	Seed     uint32 `json:"seed"`
	Repeat   int    `json:"repeat"`
	Trace    bool   `json:"trace"`
	Results  string `json:"results"`
	Sums     string `json:"sums"`
	Flights  string `json:"flights"`
}

// serves says whether there is a load to listen for.
func (r *request) serves() bool {
	return r.Workload == "echo" || r.Workload == "echo_with_deadlines"
}

// What a run came to. results is a slice of numbers of 64 bits, or of structs of such; sums are those
// of each repetition but the last.
type outcome struct {
	wall    time.Duration
	sums    []uint64
	results any
	flights *flightLog
}

type answer map[string]any

// say writes one line. An Encoder ends each value with a newline, and os.Stdout has no buffer.
func say(a answer) {
	if err := json.NewEncoder(os.Stdout).Encode(a); err != nil {
		log.Fatal(err)
	}
}

func main() {
	log.SetFlags(0)
	say(answer{"hello": answer{"version": runtime.Version(), "task_limit": nil}})
	requests := json.NewDecoder(os.Stdin)
	var last outcome
	for {
		var r request
		err := requests.Decode(&r)
		switch {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			log.Fatalf("a request is not as agreed: %v", err)
		case r.Request == "run":
			if _, known := workloads[r.Workload]; !known && !r.serves() {
				say(answer{"no_workload": true})
				continue
			}
			last = run(&r)
			say(answer{"wall_s": last.wall.Seconds()})
		default:
			write(r.Results, last.results)
			if r.Sums != "" {
				write(r.Sums, last.sums)
			}
			if r.Flights != "" {
				write(r.Flights, last.flights.pairs)
			}
			say(answer{"written": true})
		}
	}
}

// run does a whole case, Repeat times.
func run(r *request) outcome {
	var flights *flightLog
	if r.Trace {
		flights = newFlightLog(r.Case.flights(r.Workload))
	}
	work := workloads[r.Workload]
	if r.serves() {
		listener := listen()
		defer listener.Close()
		say(answer{"port": listener.Addr().(*net.TCPAddr).Port})
		work = func(c *spec, flights *flightLog) any { return echo(listener, c, flights) }
	}
	r.Case.start = r.Seed
	leaves := uint32(r.Case.leaves())
	sums := make([]uint64, r.Repeat-1)
	start := time.Now()
	results := work(&r.Case, flights)
	for i := range sums { // Only gather is repeated.
		sums[i] = sumOf(results.([]uint64))
		r.Case.start += leaves
		results = work(&r.Case, flights)
	}
	return outcome{time.Since(start), sums, results, flights}
}

// sumOf adds modulo 2^64.
func sumOf(values []uint64) (sum uint64) {
	for _, value := range values {
		sum += value
	}
	return sum
}

func write(path string, numbers any) {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	buffer := bufio.NewWriter(file)
	if err := binary.Write(buffer, binary.LittleEndian, numbers); err != nil {
		log.Fatal(err)
	}
	if err := buffer.Flush(); err != nil {
		log.Fatal(err)
	}
}
