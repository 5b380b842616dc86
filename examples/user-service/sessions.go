package main

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

const sessionLife = time.Hour

type sessionStore struct{ client *redis.Client }

func openSessions(ctx context.Context, url string) (*sessionStore, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, err
	}
	store := &sessionStore{redis.NewClient(options)}
	return store, awaitAnswer(ctx, "Redis", store.ping)
}

func (s *sessionStore) close() { s.client.Close() }

func (s *sessionStore) ping(ctx context.Context) error { return s.client.Ping(ctx).Err() }

// open returns the token of a new session.
func (s *sessionStore) open(ctx context.Context, userID int64) (string, error) {
	token := rand.Text()
	return token, s.client.Set(ctx, "session:"+token, userID, sessionLife).Err()
}

// userOf returns errNotFound when the session has ended or never was.
func (s *sessionStore) userOf(ctx context.Context, token string) (int64, error) {
	id, err := s.client.Get(ctx, "session:"+token).Int64()
	if errors.Is(err, redis.Nil) {
		return 0, errNotFound
	}
	return id, err
}

func (s *sessionStore) end(ctx context.Context, token string) error {
	return s.client.Del(ctx, "session:"+token).Err()
}
