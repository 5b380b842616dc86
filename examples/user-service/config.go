package main

import (
	"cmp"
	"io"
	"log/slog"
	"os"
)

// config is everything that the service takes from its environment.
type config struct {
	port, metricsPort, metricsPath string
	databaseURL, redisURL          string
	isJSON                         bool
}

func readConfig() config {
	return config{
		port:        cmp.Or(os.Getenv("PORT"), "8080"),
		metricsPort: os.Getenv("METRICS_PORT"),
		metricsPath: cmp.Or(os.Getenv("METRICS_PATH"), "/metrics"),
		databaseURL: cmp.Or(os.Getenv("USER_DB_URL"), os.Getenv("DATABASE_URL"), "postgresql://localhost/users"),
		redisURL:    cmp.Or(os.Getenv("SESSION_CACHE_URL"), os.Getenv("REDIS_URL"), "redis://localhost:6379"),
		isJSON:      os.Getenv("LOG_FORMAT") == "json",
	}
}

func (c config) logHandler(out io.Writer) slog.Handler {
	if c.isJSON {
		return slog.NewJSONHandler(out, nil)
	}
	return slog.NewTextHandler(out, nil)
}
