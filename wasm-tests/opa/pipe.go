package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
)

// How many requests are worked on at the same time.
const workers = 2

// job is a request that waits for a worker, and where its answer goes.
type job struct {
	line   []byte
	answer chan []byte
}

// answerAll answers each line with a line, in the same order.
func answerAll(in io.Reader, out io.Writer) error {
	jobs := make(chan job, workers)
	order := make(chan chan []byte, workers)
	for range workers {
		go func() {
			for j := range jobs {
				j.answer <- answerLine(j.line)
			}
		}()
	}
	failed := make(chan error, 1)
	go func() {
		defer close(order)
		defer close(jobs)
		failed <- readLines(in, func(line []byte) {
			j := job{line, make(chan []byte, 1)}
			order <- j.answer
			jobs <- j
		})
	}()
	writer := bufio.NewWriter(out)
	for pending := range order {
		if _, err := writer.Write(append(<-pending, '\n')); err != nil {
			return err
		}
		// Whoever waits for this answer before asking again has to get it now.
		if len(order) == 0 {
			if err := writer.Flush(); err != nil {
				return err
			}
		}
	}
	if err := writer.Flush(); err != nil {
		return err
	}
	return <-failed
}

func readLines(in io.Reader, use func([]byte)) error {
	reader := bufio.NewReaderSize(in, 1<<20)
	for {
		line, err := reader.ReadBytes('\n')
		if len(line) > 1 {
			use(line)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func answerLine(line []byte) []byte {
	var r request
	a := answer{}
	if err := json.Unmarshal(line, &r); err != nil {
		a.Failure = err.Error()
	} else {
		a = respond(r)
	}
	text, err := json.Marshal(a)
	if err != nil {
		text, _ = json.Marshal(answer{Failure: err.Error()})
	}
	return text
}
