package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// encode appends a value as JSON that loses nothing: numbers keep their text, sets and keys that are no texts are
// marked.
func encode(out []byte, value ast.Value) []byte {
	switch value := value.(type) {
	case ast.String:
		return appendText(out, string(value))
	case *ast.Array:
		out = append(out, '[')
		first := true
		value.Foreach(func(item *ast.Term) { out = encode(comma(out, &first), item.Value) })
		return append(out, ']')
	case ast.Set:
		out = append(out, `{"__set":[`...)
		first := true
		value.Foreach(func(member *ast.Term) { out = encode(comma(out, &first), member.Value) })
		return append(out, "]}"...)
	case ast.Object:
		return encodeObject(out, value)
	case ast.Null, ast.Boolean, ast.Number:
		return append(out, value.String()...)
	default:
		panic(fmt.Sprintf("a result holds a %T", value))
	}
}

func encodeObject(out []byte, object ast.Object) []byte {
	plain := true
	object.Foreach(func(key, _ *ast.Term) {
		name, ok := key.Value.(ast.String)
		plain = plain && ok && !strings.HasPrefix(string(name), "__")
	})
	first := true
	if plain {
		out = append(out, '{')
		object.Foreach(func(key, value *ast.Term) {
			out = append(encode(comma(out, &first), key.Value), ':')
			out = encode(out, value.Value)
		})
		return append(out, '}')
	}
	out = append(out, `{"__object":[`...)
	object.Foreach(func(key, value *ast.Term) {
		out = append(encode(append(comma(out, &first), '['), key.Value), ',')
		out = append(encode(out, value.Value), ']')
	})
	return append(out, "]}"...)
}

func comma(out []byte, first *bool) []byte {
	if *first {
		*first = false
		return out
	}
	return append(out, ',')
}

func appendText(out []byte, text string) []byte {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(text); err != nil {
		panic(err)
	}
	return append(out, bytes.TrimSuffix(buffer.Bytes(), []byte("\n"))...)
}
