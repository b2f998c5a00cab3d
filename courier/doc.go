// Package courier carries what the copies of a slot say to each other: records to their copies, questions, answers.
package courier
