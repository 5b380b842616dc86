package main

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

type user struct {
	ID        int64     `json:"id"`
	Name      string    `json:"name"`
	Email     string    `json:"email"`
	CreatedAt time.Time `json:"created_at"`
}

var (
	errNotFound   = errors.New("not found")
	errEmailTaken = errors.New("a user with this email exists")
)

type userStore struct{ pool *pgxpool.Pool }

func openUsers(ctx context.Context, url string) (*userStore, error) {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return nil, err
	}
	if err := awaitAnswer(ctx, "Postgres", pool.Ping); err != nil {
		return nil, err
	}
	store := &userStore{pool}
	return store, store.createTable(ctx)
}

func (s *userStore) close() { s.pool.Close() }

// createTable holds a lock: replicas start at once, and two CREATE TABLE IF NOT EXISTS may collide.
func (s *userStore) createTable(ctx context.Context) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('users'))`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			CREATE TABLE IF NOT EXISTS users (
				id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
				name       text NOT NULL,
				email      text NOT NULL UNIQUE,
				created_at timestamptz NOT NULL DEFAULT now()
			)`)
		return err
	})
}

func (s *userStore) list(ctx context.Context) ([]user, error) {
	rows, err := s.pool.Query(ctx, `SELECT id, name, email, created_at FROM users ORDER BY id DESC LIMIT 100`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[user])
}

func (s *userStore) find(ctx context.Context, id int64) (user, error) {
	return s.one(ctx, `SELECT id, name, email, created_at FROM users WHERE id = $1`, id)
}

func (s *userStore) add(ctx context.Context, name, email string) (user, error) {
	return s.one(ctx, `INSERT INTO users (name, email) VALUES ($1, $2) RETURNING id, name, email, created_at`, name, email)
}

func (s *userStore) one(ctx context.Context, query string, values ...any) (user, error) {
	rows, err := s.pool.Query(ctx, query, values...)
	if err != nil {
		return user{}, err
	}
	found, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[user])
	var refused *pgconn.PgError
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return user{}, errNotFound
	case errors.As(err, &refused) && refused.Code == "23505":
		return user{}, errEmailTaken
	}
	return found, err
}
