// user-service keeps users in Postgres and their sessions in Redis.
package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func main() {
	config := readConfig()
	slog.SetDefault(slog.New(config.logHandler(os.Stdout)))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, config); err != nil {
		slog.Error("stopped by an error", "error", err)
		os.Exit(1)
	}
}

// run serves until the context ends, then lets requests finish.
func run(ctx context.Context, config config) error {
	users, err := openUsers(ctx, config.databaseURL)
	if err != nil {
		return err
	}
	defer users.close()
	sessions, err := openSessions(ctx, config.redisURL)
	if err != nil {
		return err
	}
	defer sessions.close()

	servers := []*http.Server{newServer(config.port, observe(routes(users, sessions)))}
	if config.metricsPort != "" {
		metrics := http.NewServeMux()
		metrics.Handle("GET "+config.metricsPath, promhttp.Handler())
		servers = append(servers, newServer(config.metricsPort, metrics))
	}
	failed := make(chan error, len(servers))
	for _, server := range servers {
		go func() { failed <- server.ListenAndServe() }()
	}
	slog.Info("ready", "port", config.port)

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		slog.Info("stopping")
	}
	grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, server := range servers {
		err = errors.Join(err, server.Shutdown(grace))
	}
	slog.Info("stopped")
	return err
}

func newServer(port string, handler http.Handler) *http.Server {
	return &http.Server{Addr: ":" + port, Handler: handler, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 60 * time.Second}
}
