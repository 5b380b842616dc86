package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

const patience = 30 * time.Second

// awaitAnswer calls ping until it succeeds, the context ends or patience does.
func awaitAnswer(ctx context.Context, name string, ping func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		err := ping(ctx)
		if err == nil {
			return nil
		}
		slog.Warn(name+" does not answer yet", "error", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s did not answer: %w", name, err)
		case <-time.After(pause):
		}
	}
}
