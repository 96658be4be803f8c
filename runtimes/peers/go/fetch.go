package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
)

// A document of which only the values matter.
type document struct {
	Values []uint64 `json:"values"`
}

// fetch has one client for all goroutines, as package net/http recommends, with as many idle connections
// as there are tasks: by default it keeps two, and opens others anew.
func fetch(c *spec, flights *flightLog) any {
	transport := &http.Transport{MaxIdleConnsPerHost: c.Connections, DisableKeepAlives: !c.Kept}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	return gather(c.Connections, flights, func(i int) (sum uint64) {
		for request := 0; request < c.Requests; request++ {
			item := splitmix64(uint64(c.start)+uint64(i*c.Requests+request)) % c.Items
			got, err := get(client, fmt.Sprint(c.URL, item))
			if err != nil {
				log.Fatal(err)
			}
			sum += sumOf(got.Values)
		}
		return sum
	})
}

func get(client *http.Client, url string) (got document, err error) {
	answer, err := client.Get(url)
	if err != nil {
		return got, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return got, fmt.Errorf("%s: %s", url, answer.Status)
	}
	return got, json.NewDecoder(answer.Body).Decode(&got)
}
