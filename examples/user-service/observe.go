package main

import (
	"cmp"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

var (
	requests = promauto.NewCounterVec(prometheus.CounterOpts{
		Name: "http_requests_total", Help: "Requests by route and status.",
	}, []string{"route", "status"})
	durations = promauto.NewHistogramVec(prometheus.HistogramOpts{
		Name: "http_request_duration_seconds", Help: "Time to answer by route.",
	}, []string{"route"})
)

// observe logs and counts every request but the probes.
func observe(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		recorded := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		mux.ServeHTTP(recorded, r)
		// The pattern, not the path: a session's token is a secret.
		route := cmp.Or(r.Pattern, "none")
		if route == "GET /healthz" || route == "GET /readyz" {
			return
		}
		requests.WithLabelValues(route, strconv.Itoa(recorded.status)).Inc()
		durations.WithLabelValues(route).Observe(time.Since(began).Seconds())
		slog.Info("request", "route", route, "status", recorded.status, "ms", time.Since(began).Milliseconds())
	})
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (s *statusRecorder) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}
