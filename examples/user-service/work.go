package main

import (
	"crypto/sha256"
	"net/http"
	"strconv"
	"time"
)

// work burns CPU for ?ms= milliseconds (at most 2000), so that the autoscaler can be watched.
func work(r *http.Request) (int, any, error) {
	ms, err := strconv.Atoi(r.URL.Query().Get("ms"))
	if err != nil || ms < 1 || ms > 2000 {
		return 0, nil, badInput("ms must be a whole number from 1 to 2000")
	}
	var digest [32]byte
	rounds := 0
	for until := time.Now().Add(time.Duration(ms) * time.Millisecond); time.Now().Before(until); rounds++ {
		digest = sha256.Sum256(digest[:])
	}
	return http.StatusOK, map[string]int{"rounds": rounds}, nil
}
