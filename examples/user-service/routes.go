package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/mail"
	"strconv"
	"strings"
)

// badInput is the caller's mistake, in words for the caller.
type badInput string

func (b badInput) Error() string { return string(b) }

// endpoint returns a status and a body, or an error that answer turns into both.
type endpoint func(r *http.Request) (int, any, error)

func routes(users *userStore, sessions *sessionStore) *http.ServeMux {
	mux := http.NewServeMux()
	handle := func(pattern string, e endpoint) { mux.HandleFunc(pattern, answer(e)) }
	status := func(text string) map[string]string { return map[string]string{"status": text} }

	handle("GET /healthz", func(*http.Request) (int, any, error) { return http.StatusOK, status("ok"), nil })
	handle("GET /readyz", func(r *http.Request) (int, any, error) {
		err := errors.Join(users.pool.Ping(r.Context()), sessions.ping(r.Context()))
		return http.StatusOK, status("ready"), err
	})
	handle("GET /work", work)

	handle("GET /users", func(r *http.Request) (int, any, error) {
		list, err := users.list(r.Context())
		return http.StatusOK, list, err
	})
	handle("POST /users", func(r *http.Request) (int, any, error) {
		var input struct{ Name, Email string }
		if err := readJSON(r, &input); err != nil {
			return 0, nil, err
		}
		if name := strings.TrimSpace(input.Name); name == "" || len(name) > 80 {
			return 0, nil, badInput("name must be a text of 1 to 80 characters")
		}
		address, err := mail.ParseAddress(input.Email)
		if err != nil {
			return 0, nil, badInput("email must be an address such as ada@example.com")
		}
		added, err := users.add(r.Context(), strings.TrimSpace(input.Name), address.Address)
		return http.StatusCreated, added, err
	})
	handle("GET /users/{id}", func(r *http.Request) (int, any, error) {
		id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
		if err != nil {
			return 0, nil, errNotFound
		}
		found, err := users.find(r.Context(), id)
		return http.StatusOK, found, err
	})

	handle("POST /sessions", func(r *http.Request) (int, any, error) {
		var input struct {
			UserID int64 `json:"user_id"`
		}
		if err := readJSON(r, &input); err != nil {
			return 0, nil, err
		}
		if _, err := users.find(r.Context(), input.UserID); err != nil {
			return 0, nil, err
		}
		token, err := sessions.open(r.Context(), input.UserID)
		return http.StatusCreated, map[string]string{"token": token}, err
	})
	handle("GET /sessions/{token}", func(r *http.Request) (int, any, error) {
		id, err := sessions.userOf(r.Context(), r.PathValue("token"))
		if err != nil {
			return 0, nil, err
		}
		found, err := users.find(r.Context(), id)
		return http.StatusOK, found, err
	})
	handle("DELETE /sessions/{token}", func(r *http.Request) (int, any, error) {
		return http.StatusNoContent, nil, sessions.end(r.Context(), r.PathValue("token"))
	})
	return mux
}

func readJSON(r *http.Request, into any) error {
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 10_000)).Decode(into); err != nil {
		return badInput(fmt.Sprintf("the body must be a JSON object: %v", err))
	}
	return nil
}

func answer(e endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		status, body, err := e(r)
		var bad badInput
		switch {
		case err == nil:
		case errors.As(err, &bad):
			status = http.StatusBadRequest
		case errors.Is(err, errNotFound):
			status = http.StatusNotFound
		case errors.Is(err, errEmailTaken):
			status = http.StatusConflict
		default:
			slog.Error("request failed", "route", r.Pattern, "error", err)
			status, err = http.StatusServiceUnavailable, errors.New("a database does not answer")
		}
		if err != nil {
			body = map[string]string{"error": err.Error()}
		}
		if body == nil {
			w.WriteHeader(status)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(body)
	}
}
