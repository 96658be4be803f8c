package main

import "time"

// A spec is a case of any workload; ../README.md lists which has which keys. encoding/json reads
// whole numbers as durations in nanoseconds.
type spec struct {
	Tasks int `json:"tasks"`

	Shortest time.Duration   `json:"shortest_ns"`
	Longest  time.Duration   `json:"longest_ns"`
	Seed     uint64          `json:"seed,string"`
	Listed   []time.Duration `json:"listed_ns"`

	FanOut int    `json:"fan_out"`
	Depth  int    `json:"depth"`
	Work   uint32 `json:"work"`

	// The first leaves of gather have more work.
	HeavyLeaves int    `json:"heavy_leaves"`
	HeavyWork   uint32 `json:"heavy_work"`

	Connections int `json:"connections"`
	BufferBytes int `json:"buffer_bytes"`

	Requests int    `json:"requests"` // Of each connection.
	Kept     bool   `json:"kept"`
	URL      string `json:"url"` // All but the document's number.
	Items    uint64 `json:"items"`

	Queries   int    `json:"queries"` // Of each connection.
	Server    string `json:"server"`
	Statement string `json:"statement"`
	Accounts  uint64 `json:"accounts"`

	Deadline time.Duration `json:"deadline_ns"` // Of each read, from its call; 0: none.

	Producers int           `json:"producers"`
	Consumers int           `json:"consumers"`
	Elements  int           `json:"elements"` // Of each producer.
	Capacity  int           `json:"capacity"`
	Slow      time.Duration `json:"slow_ns"`

	Pairs int `json:"pairs"`

	Parts    int           `json:"parts"`
	Beats    int           `json:"beats"`
	Interval time.Duration `json:"interval_ns"`

	Rounds int           `json:"rounds"`
	Wait   time.Duration `json:"wait_ns"`

	// start is the state of the first leaf: the seed of the run, and of a repetition what it has come to.
	start uint32
}

// leaves says how many a tree has.
func (c *spec) leaves() int {
	count := 1
	for i := 0; i < c.Depth; i++ {
		count *= c.FanOut
	}
	return count
}

// flights says how many tasks a case has, all levels of a tree together.
func (c *spec) flights(workload string) int {
	switch workload {
	case "gather":
		all, level := 0, 1
		for i := 0; i < c.Depth; i++ {
			level *= c.FanOut
			all += level
		}
		return all
	case "echo", "echo_with_deadlines", "fetch", "query":
		return c.Connections
	case "ping_pong":
		return 3 * c.Pairs
	case "channel":
		return c.Producers + c.Consumers
	case "heartbeat":
		return c.Tasks + 1
	default:
		return c.Tasks
	}
}

// delay is how long a task of sleeps does.
func (c *spec) delay(task int) time.Duration {
	if len(c.Listed) > 0 {
		return c.Listed[task]
	}
	if c.Shortest == c.Longest {
		return c.Shortest
	}
	choices := uint64(c.Longest-c.Shortest) + 1
	return c.Shortest + time.Duration(splitmix64(c.Seed+uint64(task))%choices)
}

func splitmix64(seed uint64) uint64 {
	z := seed + 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// leafValue is the state of a leaf after the steps of xorshift32 that are its work.
func (c *spec) leafValue(leaf int) uint64 {
	state, steps := c.start+uint32(leaf), c.Work
	if leaf < c.HeavyLeaves {
		steps = c.HeavyWork
	}
	for ; steps > 0; steps-- {
		state = xorshift32(state)
	}
	return uint64(state)
}

func xorshift32(state uint32) uint32 {
	state ^= state << 13
	state ^= state >> 17
	return state ^ state<<5
}
